//! Rounds in turn: for each peer, us and it, then it and us, so that drift and noise hit both alike.
//!
//! A case's first round warms up and is thrown away. From the rest come a median, the best and the spread for each
//! subject, and for each peer the ratios of neighbouring rounds, whose median is the case's figure for that peer.

use crate::case::{Case, Sample, Settings, Subject};
use crate::cost::{Cost, Tail};
use crate::machine::pressure;
use std::fs;
use std::path::Path;

/// A measured case.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) terms: String,
    pub(crate) ours: Rates,
    pub(crate) peers: Vec<Pair>,
    /// Share of time in which something waited for a processor, in percent, before and after.
    pub(crate) pressure: (f64, f64),
}

/// A subject's rounds, in operations per second.
#[derive(Debug)]
pub(crate) struct Rates {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) rates: Vec<f64>,
    /// The most memory of each round in KiB, where that is measured.
    pub(crate) peaks_kib: Vec<f64>,
    /// What each round cost, where that is measured.
    pub(crate) costs: Vec<Cost>,
    pub(crate) tail: Option<Tail>,
}

/// A peer's rounds, and our rate over its in each pair of neighbours.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) peer: Rates,
    pub(crate) ratios: Vec<f64>,
}

impl Rates {
    fn of(subject: &Subject) -> Self {
        Self {
            name: subject.name,
            version: subject.version.clone(),
            rates: Vec::new(),
            peaks_kib: Vec::new(),
            costs: Vec::new(),
            tail: None,
        }
    }

    /// Notes a round that `subject` did.
    fn add(&mut self, subject: &Subject, sample: &Sample) {
        self.rates.push(sample.per_second());
        self.peaks_kib
            .extend(subject.peak_kib.get().map(|peak| peak as f64));
        self.costs.extend(subject.cost.get());
    }

    /// The middle of each figure over the rounds that have it, under its name.
    pub(crate) fn median_cost(&self) -> [(&'static str, Option<f64>); 4] {
        let names = Cost::default().fields().map(|(name, _)| name);
        std::array::from_fn(|index| {
            let values = self.costs.iter().filter_map(|cost| cost.fields()[index].1);
            let values: Vec<f64> = values.collect();
            (names[index], (!values.is_empty()).then(|| median(&values)))
        })
    }

    pub(crate) fn best(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max)
    }

    /// Best minus worst, over the median.
    pub(crate) fn spread(&self) -> f64 {
        let worst = self.rates.iter().copied().fold(f64::INFINITY, f64::min);
        (self.best() - worst) / median(&self.rates)
    }
}

impl Measured {
    /// Our speed over that of the peer who came off best against us. A subject named `limit: ..` shows what the machine can do and is no peer.
    pub(crate) fn ratio_to_best_peer(&self) -> f64 {
        self.peers
            .iter()
            .filter(|pair| !pair.peer.name.starts_with("limit"))
            .map(|pair| median(&pair.ratios))
            .fold(f64::INFINITY, f64::min)
    }
}

impl Measured {
    /// Our peak of memory over that of the leanest peer, where peaks are measured.
    pub(crate) fn memory_to_leanest_peer(&self) -> Option<f64> {
        let peers = self.peers.iter().map(|pair| median(&pair.peer.peaks_kib));
        let leanest = peers.fold(f64::INFINITY, f64::min);
        let ratio = median(&self.ours.peaks_kib) / leanest;
        ratio.is_finite().then_some(ratio)
    }
}

/// The middle value; the mean of the two middle ones if there are as many above as below.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

/// Runs a case to its end.
pub(crate) fn measure(mut case: Case, settings: &Settings) -> Result<Measured, String> {
    eprintln!("measuring: {}", case.name);
    let scratch = settings.scratch.join(format!("{}", std::process::id()));
    let before = pressure();
    let mut ours = Rates::of(&case.ours);
    let mut pairs: Vec<Pair> = case
        .peers
        .iter()
        .map(|peer| Pair {
            peer: Rates::of(peer),
            ratios: Vec::new(),
        })
        .collect();
    let outcome = (|| {
        once(&mut case.ours, &scratch, &case.name)?;
        for peer in &mut case.peers {
            once(peer, &scratch, &case.name)?;
        }
        for round in 0..settings.rounds() {
            for (peer, pair) in case.peers.iter_mut().zip(&mut pairs) {
                let (us, it) = if round % 2 == 0 {
                    let us = once(&mut case.ours, &scratch, &case.name)?;
                    (us, once(peer, &scratch, &case.name)?)
                } else {
                    let it = once(peer, &scratch, &case.name)?;
                    (once(&mut case.ours, &scratch, &case.name)?, it)
                };
                ours.add(&case.ours, &us);
                pair.peer.add(peer, &it);
                pair.ratios.push(us.per_second() / it.per_second());
            }
        }
        ours.tail = tail(&mut case.ours, &scratch)?;
        for (peer, pair) in case.peers.iter_mut().zip(&mut pairs) {
            pair.peer.tail = tail(peer, &scratch)?;
        }
        Ok(())
    })();
    // Subjects keep servers and files open between rounds; they go before their directories do.
    let (name, terms) = (case.name.clone(), case.terms.clone());
    drop(case);
    let _ = fs::remove_dir_all(&scratch);
    outcome.map(|()| Measured {
        name,
        terms,
        ours,
        peers: pairs,
        pressure: (before, pressure()),
    })
}

/// One round; the subject's directory outlives it.
fn once(subject: &mut Subject, scratch: &Path, case: &str) -> Result<Sample, String> {
    let dir = scratch.join(subject.name);
    fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    (subject.run)(&dir).map_err(|why| format!("{} in `{case}`: {why}", subject.name))
}

/// The round for the slowest calls, of a subject that has one.
fn tail(subject: &mut Subject, scratch: &Path) -> Result<Option<Tail>, String> {
    let dir = scratch.join(subject.name);
    subject.tail.as_mut().map_or(Ok(None), |run| run(&dir))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn subject(name: &'static str, millis: &'static [u64]) -> Subject {
        let mut rounds = millis.iter().cycle();
        Subject::new(name, "1", move |_| {
            Ok(Sample {
                operations: 1_000,
                elapsed: Duration::from_millis(*rounds.next().unwrap()),
            })
        })
    }

    #[test]
    fn the_median_of_pairs_is_the_ratio_and_the_warm_up_does_not_count() {
        let case = Case {
            name: "x".into(),
            terms: String::new(),
            ours: subject("us", &[999, 10, 20, 10, 20, 10, 20]),
            peers: vec![
                subject("slow", &[1, 40, 40, 40]),
                subject("fast", &[1, 10, 10, 10]),
            ],
        };
        let mut settings = Settings::new();
        settings.quick = true;
        let measured = measure(case, &settings).unwrap();
        assert_eq!(measured.ours.rates.len(), 6);
        assert_eq!(measured.peers[0].peer.rates.len(), 3);
        assert_eq!(measured.peers[0].ratios, [4.0, 4.0, 4.0]);
        assert_eq!(measured.peers[1].ratios, [0.5, 0.5, 0.5]);
        assert_eq!(measured.ratio_to_best_peer(), 0.5);
    }

    #[test]
    fn a_wrong_answer_ends_the_case() {
        let case = Case {
            name: "x".into(),
            terms: String::new(),
            ours: subject("us", &[1]),
            peers: vec![Subject::new("liar", "1", |_| Err("wrong".into()))],
        };
        assert_eq!(
            measure(case, &Settings::new()).unwrap_err(),
            "liar in `x`: wrong"
        );
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
