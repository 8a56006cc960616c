//! What is searched: made here or taken from this repository, the same bytes every time.

use crate::random::mix;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

pub(super) type Text = &'static [u8];

/// A corpus and its name.
#[derive(Clone, Copy)]
pub(super) struct Corpus {
    pub(super) name: &'static str,
    pub(super) text: Text,
}

/// `len` bytes of each kind of text.
pub(super) fn corpora(len: usize) -> Vec<Corpus> {
    let corpus = |name, text: Vec<u8>| Corpus {
        name,
        text: Vec::leak(text),
    };
    vec![
        corpus("english", english(len)),
        corpus("code", code(len)),
        corpus("russian", words(len, RUSSIAN, " ", 2)),
        corpus("chinese", words(len, CHINESE, "", 3)),
        corpus(
            "dna",
            (0..len as u64)
                .map(|i| b"ACGT"[(mix(i) & 3) as usize])
                .collect(),
        ),
        corpus("random", (0..len as u64).map(|i| mix(i) as u8).collect()),
        corpus("zeros", vec![0; len]),
    ]
}

pub(super) fn repeated(mut text: Vec<u8>, len: usize) -> Vec<u8> {
    while text.len() < len {
        text.extend_from_within(..text.len().min(len - text.len()));
    }
    text.truncate(len);
    text
}

/// The documents of this repository.
fn english(len: usize) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut text = Vec::new();
    for name in [
        "LICENSE-APACHE",
        "README.md",
        "ARCHITECTURE.md",
        "PORTING.md",
        "FORMAT.md",
        "SECURITY.md",
        "tests/conformance/CONTRACTS.md",
    ] {
        text.extend(fs::read(root.join(name)).unwrap_or_default());
    }
    repeated(text, len)
}

/// The sources of this repository's core.
pub(super) fn code(len: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../core/src")];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else {
                text.extend(fs::read(path).unwrap_or_default());
            }
        }
    }
    repeated(text, len)
}

/// Sentences of common words, the earlier ones of the list more often.
fn words(len: usize, list: &str, between: &str, seed: u64) -> Vec<u8> {
    let list: Vec<&str> = list.split_whitespace().collect();
    let mut text = String::new();
    let mut step = seed << 32;
    while text.len() < len {
        for _ in 0..3 + mix(step) % 12 {
            step += 1;
            let draw = (mix(step) % 1000) as f64 / 1000.0;
            text.push_str(list[(draw * draw * list.len() as f64) as usize]);
            text.push_str(between);
        }
        step += 1;
        text.push_str(if between.is_empty() { "。" } else { ". " });
        if mix(step).is_multiple_of(7) {
            text.push('\n');
        }
    }
    let mut text = text.into_bytes();
    text.truncate(len);
    while std::str::from_utf8(&text).is_err() {
        text.pop();
    }
    text.resize(len, b' ');
    text
}

/// What a needle is to its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rarity {
    Absent,
    Rare,
    Common,
}

/// A needle of `len` bytes out of `text`, or nearly: an absent one is a piece of the text with its first occurrence spoilt at a place that
/// keeps its bytes common.
pub(super) fn needle(text: Text, len: usize, rarity: Rarity) -> Option<Text> {
    let piece = |seed: u64| {
        let at = mix(seed) as usize % (text.len() - len);
        &text[at..at + len]
    };
    let occurs = |needle: &[u8]| memchr::memmem::find(text, needle).is_some();
    match rarity {
        Rarity::Common => {
            let mut counts: HashMap<&[u8], u32> = HashMap::new();
            for seed in 0..2_000 {
                *counts.entry(piece(seed)).or_default() += 1;
            }
            let best = counts
                .into_iter()
                .max_by_key(|(piece, count)| (*count, *piece));
            best.map(|(piece, _)| piece)
        }
        Rarity::Rare => (0..400)
            .map(piece)
            .min_by_key(|piece| memchr::memmem::find_iter(text, piece).count()),
        Rarity::Absent => (0..400u64).find_map(|seed| {
            let mut needle = piece(seed).to_vec();
            let at = mix(seed + 1) as usize % len;
            needle[at] = text[mix(seed + 2) as usize % text.len()];
            (!occurs(&needle)).then(|| &*Vec::leak(needle))
        }),
    }
}

const RUSSIAN: &str = "и в не на я быть он с что а по это она этот к но они мы весь который из у то за свой ее так от же вы \
     сказать бы год мочь для только до человек такой время когда один еще уже ты говорить если знать или другой даже жизнь день \
     первый рука очень дело самый после дом вопрос потом сам место слово работа глаз лицо друг город стать идти большой \
     новый видеть стоять думать понять система деньги вода земля страна мир случай голова сила конец вид ребенок право \
     отношение сторона женщина война образ закон книга история минута решение власть машина дорога";

const CHINESE: &str = "的 一 是 不 了 在 人 有 我 他 这 个 们 中 来 上 大 为 和 国 地 到 以 说 时 要 就 出 会 可 也 你 对 生 能 而 子 那 得 于 着 下 \
     自 之 年 过 发 后 作 里 用 道 行 所 然 家 种 事 成 方 多 经 么 去 法 学 如 都 同 现 当 没 动 面 起 看 定 天 分 还 进 好 小 部 其 些 主 样 理 心 她 本 \
     前 开 但 因 只 从 想 实 日 军 者 意 无 力 它 与 长 把 机 十 民 第 公 此 已 工 使 情 明 性 知 全 三 又 关 点 正 业 外 将 两 高 间 由 问 很 最 重 并 物 \
     手 应 战 向 头 文 体 政 美 相 见 被 利 什 二 等 产 或 新 己 制 身 果 加 西 斯 月 话 合 回 特 代 内 信 表 化 老 给 世 位 次 度 门 任 常 先 海 通 教 儿 \
     原 东 声 提 立 及 比 员 解 水 名 真 论 处 走 义 各 入 几 口 认 条 平 系 气 题 活 尔 更 别 打 女 变 四 神 总 何 电 数 安 少 报 才 结 反 受 目 太 量 再 \
     感 建 务 做 接 必 场 件 计 管 期 市 直 德 资 命 山 金 指 克 许 统 区 保 至 队 形 社 便 空 决 治 展 马 科 司 五 基 眼 书 非 则 听 白 却 界 达 光 放 强";
