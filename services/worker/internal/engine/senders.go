package engine

import "time"

// startSenders starts the senders that the load has from its start on: of an open loop the first, since the others come as they are
// needed; of any other all of them.
func (c *Call) startSenders() {
	n := int64(1)
	if c.work.Plan.Load.OpenLoop == nil {
		if n = min(c.work.Concurrency, c.allowed.Load()); c.work.Slots.Final() {
			n = min(n, c.work.Slots.Granted())
		}
	} else {
		c.idle.Add(1)
	}
	c.count(c.running.Add(n))
	for range n {
		c.startSender(0, nil)
	}
	if c.work.Plan.Load.ClosedLoop != nil {
		c.fillUp() // the concurrency may have changed before
	}
}

// count notes how many senders there are.
func (c *Call) count(running int64) {
	for most := c.most.Load(); running > most && !c.most.CompareAndSwap(most, running); most = c.most.Load() {
	}
}

// grow starts one more sender of an open loop, if the call's concurrency and the worker's cap allow one. Where they do not, slots
// wait for a free sender, and the wait is their lateness.
func (c *Call) grow() {
	if c.work.Slots.Final() && c.work.Slots.Claimed() >= c.work.Slots.Granted() {
		return
	}
	if c.config.IsCrowded != nil && c.config.IsCrowded() {
		c.capped.Store(true) // one that is free soon is faster, and more would make all of them slower
		c.full.Store(true)
		return
	}
	running := c.running.Add(1)
	if enough := running > c.allowed.Load(); enough || !c.config.Admit() {
		c.running.Add(-1)
		c.capped.Store(!enough || c.work.Capped)
		c.full.Store(true)
		return
	}
	c.full.Store(false)
	c.count(running)
	c.idle.Add(1)
	c.startSender(0, c.config.Release)
}

// SetConcurrency changes how many senders the call may have at once. Senders that are too many leave when their slot is over. It is
// safe to call at any time.
func (c *Call) SetConcurrency(n int64) {
	c.allowed.Store(n)
	if c.work.Plan.Load.ClosedLoop != nil && c.running.Load() > 0 {
		c.fillUp()
	}
}

// fillUp starts the senders that a closed loop lacks, as far as the worker has room for them.
func (c *Call) fillUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.claim.Err() == nil && !c.closed {
		running := c.running.Load()
		if running >= c.allowed.Load() || c.once {
			return
		}
		if !c.running.CompareAndSwap(running, running+1) {
			continue
		}
		if !c.config.Admit() {
			c.running.Add(-1)
			return
		}
		c.count(running + 1)
		c.startSender(max(time.Since(c.work.Start), 0), c.config.Release)
	}
}

// leaves reports whether the sender that asks is one too many, which has to end then.
func (c *Call) leaves() bool {
	for {
		running := c.running.Load()
		if running <= c.allowed.Load() {
			return false
		}
		if c.running.CompareAndSwap(running, running-1) {
			if c.work.Plan.Load.OpenLoop != nil {
				c.idle.Add(-1)
			}
			return true
		}
	}
}
