package main

import "testing"

func TestPercentileIsOneOfTheValues(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values []float64
		p      float64
		want   float64
	}{
		{nil, 0.5, 0},
		{[]float64{7}, 0.5, 7},
		{[]float64{7}, 0.99, 7},
		{[]float64{2, 1}, 0.5, 1},
		{[]float64{3, 1, 2}, 0.5, 2},
		{hundred, 0.5, 50},
		{hundred, 0.9, 90},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred[:37], 0.99, 100},
	} {
		if got := percentile(c.values, c.p); got != c.want {
			t.Errorf("percentile %v of %v: %v, expected %v", c.p, c.values, got, c.want)
		}
	}
}

func TestMedianIsTheMiddle(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{5}, 5},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 3, 2, 1}, 2.5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v, expected %v", c.values, got, c.want)
		}
	}
}
