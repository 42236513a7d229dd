package main

import (
	"strings"
	"testing"
	"time"
)

func TestGrowth(t *testing.T) {
	t.Parallel()
	var samples []resident
	for second := range 181 {
		grown := int64(second) << 20 / 60 // 1 MiB per minute
		samples = append(samples, resident{time.Duration(second) * time.Second, 30<<20 + grown})
	}
	if got, want := growthOf(samples), (growth{"31.0", "33.0", "33.0", "+1.00"}); got != want {
		t.Errorf("growthOf = %v, want %v", got, want)
	}
	if got := growthOf(samples[:20]); !strings.Contains(got.perMinute, "too short") || got.end != "30.3" {
		t.Errorf("growthOf of 20 s = %v, want no growth, and the end", got)
	}
	growthOf(nil)
}
