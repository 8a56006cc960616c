//! Searches that were chosen: each flag, and what flags do to each other.

use crate::compare::{compare, ripgrep};
use crate::support::Scratch;
use crate::tree;

/// One search a line; words are split at spaces, `~` is a space in a word, `^M` a carriage return, `^J` a line feed.
const SEARCHES: &str = include_str!("searches.txt");

#[test]
fn chosen_searches_are_the_same_bytes() {
    let Some(ripgrep) = ripgrep("chosen searches") else {
        return;
    };
    let scratch = Scratch::new("chosen");
    tree::make(scratch.path());
    std::fs::write(
        scratch.path().join("patterns.lst"),
        "foo\nbar\nstruct\nfoo\n",
    )
    .unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in SEARCHES
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| {
                word.replace('~', " ")
                    .replace("^M", "\r")
                    .replace("^J", "\n")
            })
            .collect();
        let words: Vec<&str> = words
            .iter()
            .map(|word| if *word == "''" { "" } else { word })
            .collect();
        count += 1;
        if let Err(why) = compare(&ripgrep, scratch.path(), &words) {
            wrong.push(why);
        }
    }
    println!("{count} chosen searches");
    assert!(
        wrong.is_empty(),
        "{} of {count} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
