package sched_test

import (
	"fmt"

	"eigenserve/runtime/sched"
)

// Three requests wait for the one slot. The batch has the inputs of both keys.
func Example() {
	var s *sched.Scheduler
	s = sched.New(sched.Config{Slots: 1, MaxBatch: 8, MaxQueue: 100,
		Run: func(b *sched.Batch) {
			fmt.Println("a batch of", b.Size)
			for _, g := range b.Groups {
				fmt.Println(g.Inputs[0].Request.Key, len(g.Inputs))
				for _, in := range g.Inputs {
					s.Finish(in, nil)
				}
			}
		}})
	release, _ := s.TakeSlot()
	var class sched.Class
	var done []<-chan struct{}
	for _, key := range []string{"cats", "dogs", "cats"} {
		r := sched.NewRequest(key, &class, 1)
		if err := s.Admit(r); err != nil {
			fmt.Println(err)
			return
		}
		done = append(done, s.Enqueue(r, 0, 1))
	}
	release()
	for _, c := range done {
		<-c
	}
	// Output:
	// a batch of 3
	// cats 2
	// dogs 1
}
