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

// ink is the colour of dots and whiskers.
var ink = color.RGBA{R: 0x1f, G: 0x4e, B: 0x79, A: 0xff}

// Sizes of the picture: a row for each dot, and what stands around them.
const (
	pictureWidth  = 20 * vg.Centimeter
	pictureRow    = 0.75 * vg.Centimeter
	pictureMargin = 2.5 * vg.Centimeter
	pictureEdge   = 0.3 * vg.Centimeter
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
	paper := draw.New(canvas)
	paper.SetColor(color.White)
	paper.Fill(paper.Rectangle.Path())
	p.Draw(draw.Crop(paper, pictureEdge, -pictureEdge, pictureEdge, -pictureEdge))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = canvas.WriteTo(f)
	return errors.Join(err, f.Close())
}

func (r *record) draw(dots []dot) (*plot.Plot, error) {
	var at plotter.XYs
	var names []string
	p := plot.New()
	p.Add(plotter.NewGrid())
	least, most := dots[0].p50, dots[0].p99
	for i, d := range dots {
		at = append(at, plotter.XY{X: d.p50, Y: float64(i)})
		whisker, err := plotter.NewLine(plotter.XYs{at[i], {X: d.p99, Y: float64(i)}})
		if err != nil {
			return nil, err
		}
		whisker.Color, whisker.Width = ink, vg.Points(2)
		p.Add(whisker)
		names = append(names, d.name)
		least, most = min(least, d.p50), max(most, d.p99)
	}
	points, err := plotter.NewScatter(at)
	if err != nil {
		return nil, err
	}
	points.GlyphStyle = draw.GlyphStyle{Color: ink, Radius: vg.Points(4), Shape: draw.CircleGlyph{}}
	p.Title.Text = "Restart with " + strconv.Itoa(r.usual(measureRestart)) + " children, ms: p50, and a whisker to p99" // a label of a logarithmic axis would take half the width
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Add(points)
	p.NominalY(names...)
	const air = 1.5 // beside the outermost, as a factor
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = least/air, most*air, -0.5, float64(len(dots))-0.5
	return p, nil
}
