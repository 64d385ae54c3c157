// Package cli holds what every command line needs and no model server knows of:
// errors of usage, flag values, tables, progress and output files.
package cli
