package load

import (
	"math/rand/v2"
	"sync"
)

// sampledAnswer is an answer, and what was asked.
type sampledAnswer struct {
	arrival
	scores []LabelScore
}

// reservoir keeps so many of the answers, each with the same chance (reservoir
// sampling: Vitter 1985).
type reservoir struct {
	capacity int

	mu    sync.Mutex // guards what follows
	seen  int
	items []sampledAnswer
	r     *rand.Rand
}

func (s *reservoir) add(x sampledAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	if len(s.items) < s.capacity {
		s.items = append(s.items, x)
	} else if at := s.r.IntN(s.seen); at < s.capacity {
		s.items[at] = x
	}
}
