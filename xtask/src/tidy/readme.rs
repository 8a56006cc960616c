//! What the documents promise is there: commands, examples, files.

use super::Findings;
use super::tree::Tree;

const README: &str = "README.md";

/// Lines inside fenced blocks that a reader would type.
fn shown_commands(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            lines.push((index + 1, line.trim().trim_start_matches("$ ")));
        }
    }
    lines
}

/// The word after `before` in `line`, if it is a name and not an option or a placeholder.
fn word_after<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    let rest = line.split_once(before)?.1;
    let word = rest.split_whitespace().next()?;
    word.starts_with(|c: char| c.is_ascii_lowercase())
        .then_some(word)
}

pub(super) fn check_commands(tree: &Tree, findings: &mut Findings) {
    let Some(readme) = tree.file(README) else {
        findings.add(README, 0, "is missing: say what this is and how to start");
        return;
    };
    for (line, shown) in shown_commands(&readme.text) {
        let shown = shown.split(" # ").next().unwrap_or(shown);
        if let Some(command) = word_after(shown, "cargo xtask ")
            && !crate::COMMANDS.contains(&command)
        {
            findings.add(
                README,
                line,
                format!("shows `cargo xtask {command}`, which does not exist"),
            );
        }
        if let Some(example) = word_after(shown, "--example ")
            && tree
                .file(&format!("std-shim/examples/{example}.rs"))
                .is_none()
            && tree
                .file(&format!("std-shim/examples/{example}/main.rs"))
                .is_none()
        {
            findings.add(
                README,
                line,
                format!("shows the example `{example}`, which does not exist"),
            );
        }
        let ours = if shown.starts_with("cargo run") {
            word_after(shown, " -- ")
        } else if shown.starts_with("underpin ") {
            word_after(shown, "underpin ")
        } else {
            None
        };
        if let Some(command) = ours
            && !command_exists(tree, command)
        {
            findings.add(
                README,
                line,
                format!("shows `underpin {command}`, which the command does not know"),
            );
        }
    }
}

/// Whether the command line knows `command`: as a variant of a clap enum or as a literal.
fn command_exists(tree: &Tree, command: &str) -> bool {
    let literal = format!("\"{command}\"");
    let mut letters = command.chars();
    let variant: String = letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect();
    tree.rust("std-shim/src/").any(|file| {
        file.text.contains(&literal)
            || ["(", " {", ","].iter().any(|after| {
                file.text
                    .lines()
                    .any(|line| line.trim().starts_with(&format!("{variant}{after}")))
            })
    })
}

pub(super) fn check_links(tree: &Tree, findings: &mut Findings) {
    for document in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        let directory = document.path.rsplit_once('/').map_or("", |(dir, _)| dir);
        for (index, line) in document.text.lines().enumerate() {
            for (at, _) in line.match_indices("](") {
                let target = line[at + 2..].split([')', '#', ' ']).next().unwrap_or("");
                if target.is_empty() || target.contains(':') {
                    continue;
                }
                let Some(path) = join(directory, target) else {
                    continue;
                };
                let folder = format!("{path}/");
                if !tree
                    .files
                    .iter()
                    .any(|file| file.path == path || file.path.starts_with(&folder))
                {
                    findings.add(
                        &document.path,
                        index + 1,
                        format!("links to `{target}`, which is not there"),
                    );
                }
            }
        }
    }
}

/// `target` as seen from `directory`; `None` if it leaves the repository.
fn join(directory: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(check: fn(&Tree, &mut Findings), files: &[(&str, &str)]) -> Vec<String> {
        let mut findings = Findings::default();
        check(&Tree::of(files), &mut findings);
        findings.0
    }

    #[test]
    fn shown_commands_must_exist() {
        let readme = "Use `cargo xtask nothing`.\n```sh\n$ cargo xtask test-all --quick\ncargo run --release -- serve --dir data\ncargo run --example hello # says hello\nunderpin kv DIR get\n```";
        let good = [
            (README, readme),
            (
                "std-shim/src/main.rs",
                "enum Command { \n Serve(Serve),\n Kv {\n } }",
            ),
            ("std-shim/examples/hello.rs", ""),
        ];
        assert_eq!(run(check_commands, &good), [""; 0]);
        let found = run(check_commands, &[(README, readme)]);
        assert_eq!(found.len(), 3, "{found:?}");
        let bad = [(README, "```\ncargo xtask sing\n```")];
        assert_eq!(run(check_commands, &bad).len(), 1);
    }

    #[test]
    fn links_must_lead_somewhere() {
        let files = |link| [("docs/a.md", link), ("core/b.rs", ""), ("docs/c.md", "")];
        for good in [
            "[x](c.md)",
            "[x](../core/b.rs#l1)",
            "[x](../core)",
            "[x](https://e.org)",
            "[x](#y)",
        ] {
            assert_eq!(run(check_links, &files(good)), [""; 0], "{good}");
        }
        for bad in ["[x](d.md)", "[x](core/b.rs)"] {
            assert_eq!(run(check_links, &files(bad)).len(), 1, "{bad}");
        }
    }
}
