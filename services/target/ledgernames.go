package target

import "strconv"

// names gives strings numbers, from 0 and without gaps, so that a key of the ledger is a few integers. The zero value is
// empty.
type names struct {
	ids  map[string]uint32
	text []string // by number
}

// id returns the string's number, and gives it one if it has none.
func (n *names) id(text string) uint32 {
	if id, known := n.ids[text]; known {
		return id
	}
	if n.ids == nil {
		n.ids = make(map[string]uint32)
	}
	id := uint32(len(n.text))
	n.ids[text] = id
	n.text = append(n.text, text)
	return id
}

// find returns the string's number if it has one.
func (n *names) find(text string) (id uint32, known bool) {
	id, known = n.ids[text]
	return id, known
}

// named marks the number of a slot that stands for a name. Numbers that would reach it are names too.
const named = uint64(1) << 63

// slot returns the slot's number: its own, if that is how a number is written, or one that stands for the text.
func (l *Ledger) slot(text string) uint64 {
	if number, ok := plainNumber(text); ok {
		return number
	}
	return named | uint64(l.slots.id(text))
}

// findSlot is slot without making a number for a text that has none.
func (l *Ledger) findSlot(text string) (slot uint64, known bool) {
	if number, ok := plainNumber(text); ok {
		return number, true
	}
	id, known := l.slots.find(text)
	return named | uint64(id), known
}

// plainNumber reads a number in the one form that writing it gives back. "07" and "+7" are other slots than "7".
func plainNumber(text string) (number uint64, ok bool) {
	if text == "" || text[0] < '0' || text[0] > '9' || (text[0] == '0' && len(text) > 1) {
		return 0, false
	}
	number, err := strconv.ParseUint(text, 10, 63)
	return number, err == nil
}
