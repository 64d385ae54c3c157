package load

import (
	"math/rand/v2"
	"sync"
)

// sampledAnswer is the answer to a request.
type sampledAnswer struct {
	arrival
	scores []LabelScore
}

// reservoir keeps a uniform sample of the answers (reservoir sampling: Vitter 1985).
type reservoir struct {
	capacity int

	mu      sync.Mutex // guards all fields below
	seen    int
	answers []sampledAnswer
	r       *rand.Rand
}

func (s *reservoir) add(a sampledAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	if len(s.answers) < s.capacity {
		s.answers = append(s.answers, a)
	} else if i := s.r.IntN(s.seen); i < s.capacity {
		s.answers[i] = a
	}
}
