//! A picture of medians and ratios: for each workload the rate beside the best peer's, the processor time beside the floor's, and how long pieces of
//! work took.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::backend::SVGBackend;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Rectangle, Text};
use plotters::style::{BLACK, Color, IntoFont, RGBColor, TextStyle, WHITE};

use crate::driver::Driver;
use crate::report::{Entry, Group, shown_cpu, shown_figure};

const WIDTH: u32 = 1200;
const HEAD: i32 = 34;
const LINE: i32 = 18;
const GAP: i32 = 30;

/// Where each panel begins, and how wide it is.
const RATE: Panel = Panel { left: 130, width: 330 };
const CPU: Panel = Panel { left: 560, width: 230 };
const LAPS: Panel = Panel { left: 880, width: 290 };

#[derive(Clone, Copy)]
struct Panel {
    left: i32,
    width: i32,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws everything into an SVG file.
pub fn draw(entries: &[Entry], file: &Path) -> Result<()> {
    let groups = Group::all(entries);
    let height: i32 = groups.iter().map(height_of).sum::<i32>() + HEAD;
    let area = SVGBackend::new(file, (WIDTH, u32::try_from(height)?)).into_drawing_area();
    area.fill(&WHITE).map_err(drawn)?;
    text(&area, "rate / best peer's (memory: less is better)", RATE.left, 10, 13)?;
    text(&area, "client CPU / floor's, or best peer's", CPU.left, 10, 13)?;
    text(&area, "p50 - p95 - p99, µs", LAPS.left, 10, 13)?;
    let mut top = HEAD;
    for group in &groups {
        draw_group(&area, group, top)?;
        top += height_of(group);
    }
    area.present().map_err(drawn)
}

fn height_of(group: &Group<'_>) -> i32 {
    GAP + LINE * i32::try_from(group.entries.len()).unwrap_or(0)
}

fn draw_group(area: &Area<'_>, group: &Group<'_>, top: i32) -> Result<()> {
    text(area, &format!("{}  {}", group.workload.number(), group.workload.title()), 8, top, 14)?;
    let best = group.best_peer().or(group.find(Driver::Floor));
    let cpu_scale = group.find(Driver::Floor).or(group.best_peer());
    let longest_lap =
        group.entries.iter().filter_map(|entry| entry.median(|measured| measured.p99_us)).fold(0.0, f64::max);
    for (index, entry) in group.entries.iter().enumerate() {
        let y = top + 20 + LINE * i32::try_from(index)?;
        text(area, &entry.name(), 20, y, 12)?;
        let color = color_of(entry.driver);
        if let Some(best) = best {
            let ratio = entry.figure() / best.figure();
            bar(area, RATE, y, ratio / 2.0, &color, &format!("{ratio:.2}  ({})", shown_figure(entry)))?;
        }
        if let Some(scale) = cpu_scale {
            let ratio = entry.cpu_us() / scale.cpu_us();
            bar(area, CPU, y, ratio / 5.0, &color, &format!("{ratio:.2}  ({})", shown_cpu(entry)))?;
        }
        laps(area, entry, y, longest_lap, &color)?;
    }
    // Where the best peer and the floor end.
    let lines = LINE * i32::try_from(group.entries.len())?;
    for x in [RATE.left + RATE.width / 2, CPU.left + CPU.width / 5] {
        let line = PathElement::new(vec![(x, top + 18), (x, top + 18 + lines)], BLACK.mix(0.4));
        area.draw(&line).map_err(drawn)?;
    }
    Ok(())
}

/// A bar of this share of the panel, with a label behind it.
fn bar(area: &Area<'_>, panel: Panel, y: i32, share: f64, color: &RGBColor, label: &str) -> Result<()> {
    let right = panel.left + pixels(share, panel.width);
    let bar = Rectangle::new([(panel.left, y + 1), (right, y + LINE - 5)], color.filled());
    area.draw(&bar).map_err(drawn)?;
    text(area, label, right + 4, y, 11)
}

/// A line from the median to the 99th percentile, with a dot at each of the three.
fn laps(area: &Area<'_>, entry: &Entry, y: i32, longest: f64, color: &RGBColor) -> Result<()> {
    let percentiles = [
        entry.median(|measured| measured.p50_us),
        entry.median(|measured| measured.p95_us),
        entry.median(|measured| measured.p99_us),
    ];
    let [Some(p50), Some(p95), Some(p99)] = percentiles else { return Ok(()) };
    let middle = y + LINE / 2 - 2;
    let place = |micros: f64| (LAPS.left + pixels(micros / longest, LAPS.width - 110), middle);
    area.draw(&PathElement::new(vec![place(p50), place(p99)], color.stroke_width(2))).map_err(drawn)?;
    for micros in [p50, p95, p99] {
        area.draw(&Circle::new(place(micros), 3, color.filled())).map_err(drawn)?;
    }
    text(area, &format!("{p50:.0} - {p95:.0} - {p99:.0}"), place(p99).0 + 8, y, 11)
}

/// So many pixels of a panel, at most all of them.
#[allow(clippy::cast_possible_truncation, reason = "it is between 0 and the width of a picture")]
fn pixels(share: f64, width: i32) -> i32 {
    (share.clamp(0.0, 1.0) * f64::from(width)).round() as i32
}

fn color_of(driver: Driver) -> RGBColor {
    match driver {
        Driver::Cornac => RGBColor(0x1b, 0x7f, 0x5c),
        Driver::CornacOtherwise => RGBColor(0x7f, 0xb8, 0xa2),
        Driver::Floor => RGBColor(0x9a, 0x9a, 0x9a),
        Driver::TokioPostgres => RGBColor(0x3b, 0x6f, 0xb6),
        Driver::Xitca => RGBColor(0xd9, 0x8a, 0x2b),
        Driver::Sqlx => RGBColor(0x8b, 0x5f, 0xa8),
        Driver::DieselAsync => RGBColor(0xb8, 0x4a, 0x4a),
        Driver::Libpq => RGBColor(0x4a, 0x90, 0x9e),
        Driver::Asyncpg => RGBColor(0xa8, 0x9a, 0x3a),
    }
}

fn text(area: &Area<'_>, text: &str, x: i32, y: i32, size: i32) -> Result<()> {
    let style = TextStyle::from(("sans-serif", size).into_font()).color(&BLACK);
    area.draw(&Text::new(text.to_owned(), (x, y), style)).map_err(drawn)
}

fn drawn(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the picture could not be drawn: {error}")
}
