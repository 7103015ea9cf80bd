//! The plots of a run as SVG. Every figure in them is in the results too; nothing is computed here
//! but places.

use anyhow::Result;
use plotters::prelude::{Color, Rectangle};
use plotters::style::text_anchor::HPos;

use super::axes::{Axis, count_label, share_label, time_label};
use super::frame::{
    Area, COLOURS, Frame, INK, PLOT_HEIGHT, Pixel, TEXT_SIZE, TOTAL, draw_interval, draw_line,
    draw_mark, draw_text, failed, framed, shortened, text_width,
};
use crate::results::{Account, Curve, Latency, LatencySeries, Point};

/// A line has about this many marks at most.
const MARKS_MAX: usize = 24;

/// Lines through points with their intervals. Points come in the order of the results.
fn draw_series(
    area: &Area<'_>,
    pixel: &dyn Fn(f64, f64) -> Pixel,
    (x, y): (&Axis, &Axis),
    series: usize,
    points: &[Point],
) -> Result<()> {
    let colour = COLOURS[series % COLOURS.len()];
    let placed = points.iter().filter_map(|p| Some((p, x.place(p.x)?, y.place(p.y)?)));
    let placed: Vec<(&Point, f64, f64)> = placed.collect();
    let line = placed.iter().filter(|(p, ..)| !x.is_apart(p.x)).map(|(_, x, y)| pixel(*x, *y));
    let line: Vec<Pixel> = line.collect();
    if line.len() > 1 {
        draw_line(area, line, colour, 2)?;
    }
    let every = placed.len().div_ceil(MARKS_MAX).max(1);
    // Marks of lines that lie on each other are set apart.
    let first = series * every.div_ceil(4) % every;
    for (i, (point, x, middle)) in placed.iter().enumerate() {
        if point.low < point.high {
            let (low, high) = (y.place_within(point.low), y.place_within(point.high));
            draw_interval(area, pixel(*x, low), pixel(*x, high), colour)?;
        }
        if i % every == first {
            draw_mark(area, series, pixel(*x, *middle))?;
        }
    }
    Ok(())
}

/// A curve: a line with points and intervals for each series.
pub(crate) fn curve(curve: &Curve) -> Result<String> {
    let points = || curve.series.iter().flat_map(|s| &s.points);
    let xs = points().map(|p| p.x);
    let x = if curve.log_x { Axis::logarithmic(xs, count_label) } else { Axis::linear(xs) };
    let y = Axis::linear(points().flat_map(|p| [p.low, p.y, p.high]));
    let labels: Vec<String> = curve.series.iter().map(|s| shortened(&s.label, 80)).collect();
    let frame = Frame {
        title: &curve.title,
        x_label: &shortened(&curve.x_label, 90),
        y_label: &shortened(&curve.y_label, 45),
        left: 68,
        height: PLOT_HEIGHT,
        legend: labels.iter().map(String::as_str).collect(),
        lines_across: true,
    };
    framed(&frame, (&x, &y), |area, pixel| {
        for (i, series) in curve.series.iter().enumerate() {
            draw_series(area, pixel, (&x, &y), i, &series.points)?;
        }
        Ok(())
    })
}

/// Share of frames that took longer, by latency. Beyond one frame in `count` there is nothing to
/// show: the histogram repeats its maximum there, which stands at that share.
fn tail(series: &LatencySeries) -> Vec<Point> {
    let least = 1.0 / series.count.max(1) as f64;
    let point = |ns: u64, share: f64| {
        // Less than the clock tells apart is not less than nothing.
        let x = ns.max(1) as f64;
        Point { x, y: share, low: share, high: share }
    };
    let mut points: Vec<Point> = series
        .percentiles
        .iter()
        .map(|(percentile, ns)| point(*ns, 1.0 - percentile / 100.0))
        .filter(|p| p.y.is_finite() && p.y <= 1.0 && p.y > least * (1.0 + 1e-9))
        .collect();
    if let Some((_, longest)) = series.percentiles.iter().find(|(p, _)| *p >= 100.0) {
        points.push(point(*longest, least));
    }
    points
}

/// Complementary distribution of latencies, both axes logarithmic.
pub(crate) fn latency(latency: &Latency) -> Result<String> {
    let tails: Vec<Vec<Point>> = latency.series.iter().map(tail).collect();
    let points = || tails.iter().flatten();
    let x = Axis::logarithmic(points().map(|p| p.x), time_label);
    let y = Axis::logarithmic(points().map(|p| p.y), share_label);
    let labels: Vec<String> = latency.series.iter().map(|s| shortened(&s.label, 80)).collect();
    let frame = Frame {
        title: &latency.title,
        x_label: "latency (units at the ticks, logarithmic)",
        y_label: "frames that took longer (%)",
        left: 84,
        height: PLOT_HEIGHT,
        legend: labels.iter().map(String::as_str).collect(),
        lines_across: true,
    };
    framed(&frame, (&x, &y), |area, pixel| {
        for (i, tail) in tails.iter().enumerate() {
            draw_series(area, pixel, (&x, &y), i, tail)?;
        }
        Ok(())
    })
}

/// Cycles by stage: the total on top, its stages, and what they leave unexplained.
pub(crate) fn account(account: &Account) -> Result<String> {
    let mut bars = vec![("all stages", account.total.median, Some(account.total), TOTAL)];
    for stage in &account.stages {
        bars.push((&stage.name, stage.cycles.median, Some(stage.cycles), COLOURS[0]));
    }
    bars.push(("residual", account.residual, None, COLOURS[1]));
    let names: Vec<String> = bars.iter().map(|bar| shortened(bar.0, 40)).collect();
    let widest = names.iter().map(|name| text_width(name, TEXT_SIZE)).max().unwrap_or(0);
    let values = bars.iter().flat_map(|(_, median, estimate, _)| {
        [0.0, *median].into_iter().chain(estimate.iter().flat_map(|e| [e.low, e.high]))
    });
    let mut x = Axis::linear(values);
    // Room for the figures behind the bars.
    let room = (x.range.end - x.range.start) * 0.12;
    x.range.end += room;
    let y = Axis::of_names(&names);
    let frame = Frame {
        title: &account.title,
        x_label: "cycles per packet",
        y_label: "",
        left: widest + 14,
        height: 60 + 34 * bars.len() as i32,
        legend: Vec::new(),
        // They would run through the figures.
        lines_across: false,
    };
    framed(&frame, (&x, &y), |area, pixel| {
        let zero = x.place_within(0.0);
        for (i, (_, median, estimate, colour)) in bars.iter().enumerate() {
            let middle = Axis::bar(i, bars.len());
            let (from, to) =
                (pixel(zero, middle + 0.3), pixel(x.place_within(*median), middle - 0.3));
            let bar = [(from.0.min(to.0), from.1), (from.0.max(to.0), to.1)];
            area.draw(&Rectangle::new(bar, colour.filled())).map_err(failed)?;
            let mut end = median.max(0.0);
            if let Some(e) = estimate.filter(|e| e.low < e.high) {
                let ends = [e.low, e.high].map(|v| pixel(x.place_within(v), middle));
                draw_interval(area, ends[0], ends[1], INK)?;
                end = end.max(e.high);
            }
            let (at, y) = pixel(x.place_within(end), middle);
            let figure = super::figures::figure(*median, "");
            draw_text(area, &figure, (at + 8, y), TEXT_SIZE, HPos::Left)?;
        }
        draw_line(area, vec![pixel(zero, 0.0), pixel(zero, bars.len() as f64)], INK, 1)
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::results::Series;
    use crate::stats::Estimate;

    /// Lines of two pixels' width are those of series, and of the legend.
    fn lines(svg: &str) -> usize {
        svg.lines()
            .filter(|l| l.starts_with("<polyline") && l.contains("stroke-width=\"2\""))
            .count()
    }

    fn check(svg: &str, texts: &[&str]) {
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        super::super::fixture::assert_well_formed(svg);
        for text in texts {
            assert!(svg.contains(&format!("\n{text}\n")), "{text} is not in\n{svg}");
        }
    }

    #[test]
    fn a_curve_has_a_line_per_series_and_names_its_axes() {
        let svg = curve(&fixture::results().curves[0]).unwrap();
        check(&svg, &["sampled share (%)", "forwarded (Mpps)", "packet mode", "0", "100"]);
        assert_eq!(lines(&svg), 2 * 2, "each series and its sample in the legend");
        assert!(svg.contains("sampled &amp; mirrored"));
    }

    #[test]
    fn a_distribution_has_a_line_per_series() {
        let svg = latency(&fixture::results().latencies[0]).unwrap();
        check(&svg, &["shadow off", "10 % sampled", "0.01 %", "10 µs"]);
        assert_eq!(lines(&svg), 2 * 2);
    }

    #[test]
    fn the_tail_ends_at_one_frame() {
        let mut series = fixture::results().latencies[0].series[0].clone();
        series.count = 5000;
        let tail = tail(&series);
        let last = tail.last().unwrap();
        assert_eq!(last.y, 1.0 / 5000.0);
        assert_eq!(last.x, series.percentiles.last().unwrap().1 as f64);
        assert!(tail.windows(2).all(|w| w[0].y > w[1].y && w[0].x <= w[1].x));
    }

    #[test]
    fn an_account_has_a_bar_per_stage_the_total_and_the_residual() {
        let results = fixture::results();
        let svg = account(&results.accounts[0]).unwrap();
        check(&svg, &["all stages", "copy", "claim", "publish", "residual", "21.50", "2.00"]);
        let bars = svg.matches("<rect").count() - 1;
        assert_eq!(bars, results.accounts[0].stages.len() + 2);
    }

    #[test]
    fn any_figures_can_be_drawn() {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -3.0, 1e-300, 1e300, 5.0];
        let mut results = fixture::results();
        let points = odd.map(|v| Point { x: v, y: v, low: -v, high: v });
        for points in [Vec::new(), points.to_vec(), points[3..4].to_vec(), points[4..].to_vec()] {
            for log_x in [false, true] {
                let label = "a\u{1}<label>".repeat(30);
                results.curves[0].log_x = log_x;
                results.curves[0].title.clone_from(&label);
                results.curves[0].series = vec![Series { label, points: points.clone() }];
                check(&curve(&results.curves[0]).unwrap(), &[]);
            }
        }
        for percentiles in [vec![], vec![(0.0, 0), (50.0, 0), (100.0, 0)], vec![(f64::NAN, 7)]] {
            results.latencies[0].series[0].percentiles = percentiles;
            check(&latency(&results.latencies[0]).unwrap(), &[]);
        }
        for median in odd {
            let account_ = &mut results.accounts[0];
            account_.total = Estimate { median, low: f64::NAN, high: 5.0 };
            account_.stages[0].cycles = Estimate { median, low: median, high: f64::INFINITY };
            account_.residual = median;
            check(&account(account_).unwrap(), &[]);
        }
    }
}
