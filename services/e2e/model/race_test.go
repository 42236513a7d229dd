//go:build race

package model

// slow says that a case takes ten times as long.
const slow = true
