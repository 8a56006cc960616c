//! One SVG per part: our speed over each peer's, case by case, with the range of the pairs.

use crate::harness::{Measured, median};
use kuva::backend::svg::SvgBackend;
use kuva::plot::BarPlot;
use kuva::render::layout::Layout;
use kuva::render::plots::Plot;
use kuva::render::render::render_multiple;
use std::fs;
use std::path::Path;

/// Draws `DIR/PART.svg`.
pub(crate) fn draw(dir: &Path, part: &str, cases: &[Measured]) -> Result<(), String> {
    let mut bars = Vec::new();
    let mut ranges = Vec::new();
    for case in cases {
        for pair in &case.peers {
            let ratio = median(&pair.ratios);
            let least = pair.ratios.iter().copied().fold(f64::INFINITY, f64::min);
            let most = pair.ratios.iter().copied().fold(0.0, f64::max);
            // Grey: the rounds do not agree who is faster.
            let color = match (least > 1.0, most < 1.0) {
                (true, _) => "seagreen",
                (_, true) => "indianred",
                _ => "silver",
            };
            bars.push((format!("{} / {}", case.name, pair.peer.name), ratio, color));
            ranges.push((ratio - least, most - ratio));
        }
    }
    let height = 140.0 + 34.0 * bars.len() as f64;
    // The first bar stands at the bottom; readers start at the top.
    bars.reverse();
    ranges.reverse();
    let plots = vec![Plot::Bar(
        BarPlot::new()
            .with_colored_bars(bars)
            .with_asymmetric_error(ranges)
            .with_horizontal(true),
    )];
    let layout = Layout::auto_from_plots(&plots)
        .with_title(format!(
            "{part}: speed over each peer's (1 = equal, more is better)"
        ))
        .with_x_label("our operations per second over the peer's; lines span all pairs of rounds, grey: they disagree")
        .with_width(1000.0)
        .with_height(height);
    let svg = SvgBackend.render_scene(&render_multiple(plots, layout));
    fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let path = dir.join(format!("{part}.svg"));
    fs::write(&path, svg).map_err(|e| format!("{}: {e}", path.display()))
}
