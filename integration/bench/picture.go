package main

import (
	"cmp"
	"errors"
	"image/color"
	"os"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// dot is a row of the picture.
type dot struct {
	name     string
	p50, p99 float64 // milliseconds
}

// dots are the restart latencies of all peers, the slowest first, as rows are counted from below.
func (r *record) dots() []dot {
	var all []dot
	n := r.usual(measureRestart)
	for _, e := range r.Entrants {
		p50, p99 := r.cell(e.Name, measureRestart, n, "p50"), r.cell(e.Name, measureRestart, n, "p99")
		if p50.rounds > 0 {
			all = append(all, dot{e.Name, p50.median, max(p50.median, p99.median)})
		}
	}
	slices.SortStableFunc(all, func(a, b dot) int { return cmp.Compare(b.p50, a.p50) })
	return all
}

// whiskers are dots as the plotter wants them.
type whiskers struct {
	plotter.XYs
	plotter.XErrors
}

// Sizes of the picture: a row for each dot, and what stands around them.
const (
	pictureWidth  = 20 * vg.Centimeter
	pictureRow    = 0.75 * vg.Centimeter
	pictureMargin = 3 * vg.Centimeter
)

// writeSVG draws a row for each supervisor: a dot at the p50, and a whisker to the p99.
func (r *record) writeSVG(path string) error {
	dots := r.dots()
	if len(dots) == 0 {
		return errors.New("no restart was measured, so there is nothing to draw")
	}
	p, err := r.draw(dots)
	if err != nil {
		return err
	}
	canvas := vgsvg.New(pictureWidth, pictureMargin+vg.Length(len(dots))*pictureRow)
	p.Draw(draw.New(canvas))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = canvas.WriteTo(f)
	return errors.Join(err, f.Close())
}

func (r *record) draw(dots []dot) (*plot.Plot, error) {
	var w whiskers
	var names []string
	least, most := dots[0].p50, dots[0].p99
	for i, d := range dots {
		w.XYs = append(w.XYs, plotter.XY{X: d.p50, Y: float64(i)})
		w.XErrors = append(w.XErrors, struct{ Low, High float64 }{0, d.p99 - d.p50})
		names = append(names, d.name)
		least, most = min(least, d.p50), max(most, d.p99)
	}
	points, err := plotter.NewScatter(w.XYs)
	if err != nil {
		return nil, err
	}
	points.GlyphStyle = draw.GlyphStyle{Color: color.RGBA{R: 0x1f, G: 0x4e, B: 0x79, A: 0xff}, Radius: vg.Points(4), Shape: draw.CircleGlyph{}}
	bars, err := plotter.NewXErrorBars(w)
	if err != nil {
		return nil, err
	}
	bars.Color, bars.Width = points.Color, vg.Points(1)
	p := plot.New()
	p.Title.Text = "Restart with " + strconv.Itoa(r.usual(measureRestart)) + " children: p50, and a whisker to p99"
	p.X.Label.Text = "ms from SIGKILL to the first instruction of the next (logarithmic)"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Add(plotter.NewGrid(), bars, points)
	p.NominalY(names...)
	const air = 1.5 // beside the outermost, as a factor
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = least/air, most*air, -0.5, float64(len(dots))-0.5
	return p, nil
}
