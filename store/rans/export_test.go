package rans

// EncodeAs writes streams of older versions too.
var EncodeAs = encodeAs
