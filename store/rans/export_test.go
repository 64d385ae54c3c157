package rans

// EncodeAs encodes a stream of any version.
var EncodeAs = encodeAs
