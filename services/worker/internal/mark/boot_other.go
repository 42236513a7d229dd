//go:build !linux && !darwin

package mark

// bootID is empty. Windows has no such id; of the BSDs some have only the time of the boot, which moves when the clock is set,
// and some read a file without seeing what was written to a mapping of it.
func bootID() string { return "" }
