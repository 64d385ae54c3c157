package runtime

import "testing"

func TestUnknownCachePolicy(t *testing.T) {
	if _, err := Open(tinyStore(t), Options{CachePolicy: "mru"}); codeOf(err) != Invalid {
		t.Error(err)
	}
}
