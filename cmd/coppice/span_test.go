package main

import (
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", time.Millisecond: "<1s", 59 * time.Second: "59s",
		time.Minute: "1m", 61 * time.Second: "1m1s", 3*time.Hour + 90*time.Second: "3h1m",
		24 * time.Hour: "1d", 50 * time.Hour: "2d2h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestByteSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0B", 1023: "1023B", 1024: "1.0KB", 1536: "1.5KB", 10 << 20: "10MB", 1 << 40: "1.0TB"} {
		if got := byteSize(n); got != want {
			t.Errorf("byteSize(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestClockNamesAnotherDay(t *testing.T) {
	if got := clock(noon, before(time.Hour)); got != "11:00:00" {
		t.Error(got)
	}
	if got := clock(noon, before(13*time.Hour)); got != "2026-11-21 23:00:00" {
		t.Error(got)
	}
	if got := stamp(noon, before(time.Hour)); got != "11:00:00.000" {
		t.Error(got)
	}
	if got := stamp(noon, before(13*time.Hour)); got != "2026-11-21 23:00:00.000" {
		t.Error(got)
	}
}
