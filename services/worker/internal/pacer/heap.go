package pacer

// heap is the sleepers, the earliest first. Senders claim slots in the order of their due times, so a push is mostly at the
// end and a removal mostly at the front.
type heap []*sleeper

func (h *heap) push(s *sleeper) {
	s.index = len(*h)
	*h = append(*h, s)
	h.up(s.index)
}

func (h *heap) remove(s *sleeper) {
	i, last := s.index, len(*h)-1
	h.swap(i, last)
	(*h)[last] = nil
	*h = (*h)[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
}

func (h heap) up(i int) {
	for parent := (i - 1) / 2; i > 0 && h[i].at < h[parent].at; parent = (i - 1) / 2 {
		h.swap(i, parent)
		i = parent
	}
}

func (h heap) down(i int) {
	for {
		least := 2*i + 1
		if least >= len(h) {
			return
		}
		if right := least + 1; right < len(h) && h[right].at < h[least].at {
			least = right
		}
		if h[i].at <= h[least].at {
			return
		}
		h.swap(i, least)
		i = least
	}
}

func (h heap) swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
