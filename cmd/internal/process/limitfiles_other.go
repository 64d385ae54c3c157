//go:build !linux

package process

import (
	"errors"
	"math"
)

const NoLimit = math.MaxUint64

func LimitFileSize(int, uint64) error {
	return errors.New("only Linux limits the files of another process")
}
