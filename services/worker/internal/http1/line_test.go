package http1

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipedLine is a line over an end of a pipe, and the other end.
func pipedLine(t *testing.T) (*line, net.Conn) {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return &line{Conn: ours, stop: never}, theirs
}

// A read or write ends when it is due, to the nanosecond: not at a deadline that the connection was given before, whether that
// is earlier or later.
func TestLinesEndWhenTheyAreDue(t *testing.T) {
	for _, tt := range []struct {
		name string
		dues []time.Duration // from the start, set one after the other
		want time.Duration
	}{
		{"one", []time.Duration{time.Second}, time.Second},
		{"a later one", []time.Duration{time.Second, 5 * time.Second}, 5 * time.Second},
		{"an earlier one", []time.Duration{5 * time.Second, time.Second}, time.Second},
		{"earlier and later", []time.Duration{5 * time.Second, time.Second, 3 * time.Second}, 3 * time.Second},
		{"later and earlier", []time.Duration{time.Second, 5 * time.Second, 3 * time.Second}, 3 * time.Second},
		{"the same", []time.Duration{time.Second, time.Second}, time.Second},
		{"past", []time.Duration{-time.Second}, 0},
		{"past, after a later one", []time.Duration{time.Second, -time.Second}, 0},
		{"many", []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 2500 * time.Millisecond}, 2500 * time.Millisecond},
	} {
		for name, act := range map[string]func(*line) error{
			"read":  func(l *line) error { _, err := l.Read(make([]byte, 1)); return err },
			"write": func(l *line) error { _, err := l.Write(make([]byte, 1)); return err },
		} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l, _ := pipedLine(t)
					begin := time.Now()
					for _, due := range tt.dues {
						l.until(time.Since(epoch) + due)
					}
					err := act(l)
					if took := time.Since(begin); !errors.Is(err, os.ErrDeadlineExceeded) || took != tt.want {
						t.Errorf("it ended after %v with %v, want after %v by its deadline", took, err, tt.want)
					}
				})
			})
		}
	}
}

// The deadlines of exchanges that follow one another only grow, and each holds, as often as the connection's own wakes it.
func TestLinesThatAreUsedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peer := pipedLine(t)
		const timeout = 3 * time.Second
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 100 {
				time.Sleep(time.Duration(i) * 29 * time.Millisecond)
				if _, err := peer.Write([]byte{1}); err != nil {
					t.Error(err)
				}
			}
		}()
		for i := range 100 {
			begin := time.Now()
			l.until(time.Since(epoch) + timeout)
			if n, err := l.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Errorf("read %d = %d, %v after %v", i, n, err, time.Since(begin))
			}
		}
		<-done
		begin := time.Now()
		l.until(time.Since(epoch) + timeout)
		if _, err := l.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != timeout {
			t.Errorf("the last read ended after %v with %v, want after %v", time.Since(begin), err, timeout)
		}
	})
}

// A write that goes out in parts goes on with what is left when its deadline moves.
func TestWritesGoOnWhereTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, peer := pipedLine(t)
		read := make(chan string)
		go func() {
			var all []byte
			for part := make([]byte, 3); len(all) < 10; {
				time.Sleep(time.Second)
				n, err := peer.Read(part)
				if all = append(all, part[:n]...); err != nil {
					break
				}
			}
			read <- string(all)
		}()
		l.until(time.Since(epoch) + 1500*time.Millisecond)
		l.until(time.Since(epoch) + 10*time.Second)
		n, err := l.Write([]byte("0123456789"))
		if got := <-read; n != 10 || err != nil || got != "0123456789" {
			t.Errorf("Write() = %d, %v and the peer read %q", n, err, got)
		}
	})
}

// The end of its call interrupts a line wherever it is, and for good.
func TestLinesAreInterrupted(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		act   func(*line) error
	}{
		{"reading", time.Second, func(l *line) error { _, err := l.Read(make([]byte, 1)); return err }},
		{"writing", time.Second, func(l *line) error { _, err := l.Write(make([]byte, 1)); return err }},
		{"between, then reading", 0, func(l *line) error {
			time.Sleep(time.Second)
			l.until(time.Since(epoch) + time.Hour)
			_, err := l.Read(make([]byte, 1))
			return err
		}},
		{"between, then with an earlier deadline", 0, func(l *line) error {
			time.Sleep(time.Second)
			l.until(time.Since(epoch) + time.Minute)
			_, err := l.Write(make([]byte, 1))
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, _ := pipedLine(t)
				ctx, cancel := context.WithCancel(t.Context())
				l.watch(ctx)
				l.until(time.Since(epoch) + 30*time.Minute)
				begin := time.Now()
				time.AfterFunc(tt.after, cancel)
				if err := tt.act(l); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
					t.Errorf("it ended after %v with %v, want after a second", time.Since(begin), err)
				}
				l.until(time.Since(epoch) + time.Hour)
				if _, err := l.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != time.Second {
					t.Errorf("the next read ended after %v with %v, want at once", time.Since(begin), err)
				}
				if l.unwatch() {
					t.Error("unwatch() = true, want that the call was over")
				}
			})
		})
	}
	t.Run("not after the watch", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l, peer := pipedLine(t)
			ctx, cancel := context.WithCancel(t.Context())
			l.watch(ctx)
			if !l.unwatch() {
				t.Error("unwatch() = false, want that the call goes on")
			}
			cancel()
			synctest.Wait()
			go func() { _, _ = io.WriteString(peer, "x") }()
			l.until(time.Since(epoch) + time.Second)
			if n, err := l.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Errorf("Read() = %d, %v, want a byte", n, err)
			}
		})
	})
}
