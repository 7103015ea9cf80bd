//! What surrounds every plot: title, axes, legend; and the marks that series are told apart by.
//!
//! Axes and grid are the library's; lines, marks, texts and the legend below the plot are drawn in
//! pixels, so that the legend never lies on a line.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axes::Axis;

pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Pixel = (i32, i32);

/// Okabe and Ito, "Color Universal Design" (2008), without the yellow that white swallows. With the
/// four marks, 28 series differ.
pub(crate) const COLOURS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x00, 0x00, 0x00),
];
pub(crate) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
pub(crate) const TOTAL: RGBColor = RGBColor(0x99, 0x99, 0x99);

const WIDTH: i32 = 760;
pub(crate) const PLOT_HEIGHT: i32 = 400;
const TITLE_SIZE: i32 = 17;
pub(crate) const TEXT_SIZE: i32 = 13;
const LINE_HEIGHT: i32 = 22;
const MARGIN: i32 = 14;
const LEGEND_GAP: i32 = 8;
/// What a character takes of the width, as a share of its size; no font is at hand to ask.
const CHARACTER: f64 = 0.56;

pub(crate) fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

pub(crate) fn text_width(text: &str, size: i32) -> i32 {
    (text.chars().count() as f64 * f64::from(size) * CHARACTER).ceil() as i32
}

/// What XML can hold, and no longer than `characters`.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut short: String = clean.take(characters).collect();
    if text.chars().count() > characters {
        short.pop();
        short.push('…');
    }
    short
}

/// Lines of words that fit into the width.
fn wrapped(text: &str, size: i32, width: i32) -> Vec<String> {
    let most = (f64::from(width) / f64::from(size) / CHARACTER) as usize;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = shortened(word, most);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

pub(crate) fn draw_text(
    area: &Area<'_>,
    text: &str,
    at: Pixel,
    size: i32,
    side: HPos,
) -> Result<()> {
    let style = ("sans-serif", size).into_font().color(&INK).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style)).map_err(failed)
}

pub(crate) fn draw_line(
    area: &Area<'_>,
    points: Vec<Pixel>,
    colour: RGBColor,
    width: u32,
) -> Result<()> {
    area.draw(&PathElement::new(points, colour.stroke_width(width))).map_err(failed)
}

/// The mark of a series.
pub(crate) fn draw_mark(area: &Area<'_>, series: usize, (x, y): Pixel) -> Result<()> {
    let colour = COLOURS[series % COLOURS.len()];
    let polygon = |corners: &[Pixel]| {
        let corners: Vec<Pixel> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
        Polygon::new(corners, colour)
    };
    match series % 4 {
        0 => area.draw(&Circle::new((x, y), 4, colour.filled())),
        1 => area.draw(&polygon(&[(-4, -4), (4, -4), (4, 4), (-4, 4)])),
        2 => area.draw(&polygon(&[(0, -5), (5, 4), (-5, 4)])),
        _ => area.draw(&polygon(&[(0, -5), (5, 0), (0, 5), (-5, 0)])),
    }
    .map_err(failed)
}

/// An interval: a thin line with caps, upright or lying.
pub(crate) fn draw_interval(
    area: &Area<'_>,
    from: Pixel,
    to: Pixel,
    colour: RGBColor,
) -> Result<()> {
    let (dx, dy) = if from.0 == to.0 { (3, 0) } else { (0, 5) };
    draw_line(area, vec![from, to], colour, 1)?;
    for (x, y) in [from, to] {
        draw_line(area, vec![(x - dx, y - dy), (x + dx, y + dy)], colour, 1)?;
    }
    Ok(())
}

/// Where the names of a legend start, and how many rows they take.
fn legend_places(names: &[&str]) -> (Vec<Pixel>, i32) {
    let (mut x, mut row) = (MARGIN, 0);
    let mut places = Vec::new();
    for name in names {
        let width = 34 + text_width(name, TEXT_SIZE) + 22;
        if x > MARGIN && x + width > WIDTH - MARGIN {
            (x, row) = (MARGIN, row + 1);
        }
        places.push((x, row));
        x += width;
    }
    (places, if names.is_empty() { 0 } else { row + 1 })
}

/// What surrounds a plot.
pub(crate) struct Frame<'a> {
    pub(crate) title: &'a str,
    pub(crate) x_label: &'a str,
    pub(crate) y_label: &'a str,
    /// Pixels for the labels on the left.
    pub(crate) left: i32,
    /// Height without title and legend.
    pub(crate) height: i32,
    pub(crate) legend: Vec<&'a str>,
    /// Lines across at the ticks of the ordinate.
    pub(crate) lines_across: bool,
}

/// Draws title, axes and legend, then what `draw` draws: it gets the function from places to pixels.
pub(crate) fn framed(
    frame: &Frame<'_>,
    (x, y): (&Axis, &Axis),
    draw: impl FnOnce(&Area<'_>, &dyn Fn(f64, f64) -> Pixel) -> Result<()>,
) -> Result<String> {
    let title = wrapped(frame.title, TITLE_SIZE, WIDTH - 2 * MARGIN);
    let top = MARGIN + title.len() as i32 * LINE_HEIGHT;
    let (places, rows) = legend_places(&frame.legend);
    // The legend keeps away from the name of the abscissa.
    let legend_height = if rows == 0 { 0 } else { rows * LINE_HEIGHT + LEGEND_GAP };
    let height = top + frame.height + legend_height + MARGIN;
    let mut svg = String::new();
    {
        let area =
            SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        for (i, line) in title.iter().enumerate() {
            let at = (MARGIN, MARGIN + i as i32 * LINE_HEIGHT + 6);
            draw_text(&area, line, at, TITLE_SIZE, HPos::Left)?;
        }
        let mut chart = ChartBuilder::on(&area)
            .margin_top(top)
            .margin_bottom(legend_height + MARGIN)
            .margin_left(MARGIN)
            .margin_right(MARGIN + 12)
            .x_label_area_size(46)
            .y_label_area_size(frame.left)
            .build_cartesian_2d(x.clone(), y.clone())
            .map_err(failed)?;
        let label = ("sans-serif", TEXT_SIZE).into_font().color(&INK);
        let mut mesh = chart.configure_mesh();
        if !frame.lines_across {
            mesh.disable_y_mesh();
        }
        mesh.bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(INK)
            .label_style(label.clone())
            .axis_desc_style(label)
            .x_desc(frame.x_label)
            .y_desc(frame.y_label)
            .draw()
            .map_err(failed)?;
        draw(&area, &|x, y| chart.backend_coord(&(x, y)))?;
        let below = top + frame.height + LEGEND_GAP + LINE_HEIGHT / 2;
        for (series, (name, (x, row))) in frame.legend.iter().zip(places).enumerate() {
            let y = below + row * LINE_HEIGHT;
            let colour = COLOURS[series % COLOURS.len()];
            draw_line(&area, vec![(x, y), (x + 26, y)], colour, 2)?;
            draw_mark(&area, series, (x + 13, y))?;
            draw_text(&area, name, (x + 34, y), TEXT_SIZE, HPos::Left)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}
