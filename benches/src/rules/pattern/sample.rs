//! Strings that a pattern matches.

use super::{ByteSet, Node};
use crate::rules::rng::Rng;

/// Longest string that is made.
const LEN_MAX: usize = 6000;

/// A string, and where in a subject it must stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    /// At the subject's beginning.
    pub(crate) at_start: bool,
    /// At the beginning of a line.
    pub(crate) at_line: bool,
    /// Up to the subject's end.
    pub(crate) to_end: bool,
    /// Up to the end of a line.
    pub(crate) to_line_end: bool,
}

/// Makes strings.
#[derive(Debug)]
pub(crate) struct Sampler<'r> {
    pub(crate) rng: &'r mut Rng,
    /// What is taken of a set, if the set has any of it.
    pub(crate) liked: ByteSet,
    /// As few repetitions as may be.
    pub(crate) short: bool,
    /// What is looked ahead for is written down.
    pub(crate) write_ahead: bool,
}

impl Sampler<'_> {
    /// A string; `None` where it would be too long, or a set is empty.
    pub(crate) fn sample(&mut self, node: &Node) -> Option<Sample> {
        let mut sample = Sample::default();
        let mut groups = Vec::new();
        self.write(node, &mut sample, &mut groups)?;
        Some(sample)
    }

    fn write(&mut self, node: &Node, out: &mut Sample, groups: &mut Vec<Vec<u8>>) -> Option<()> {
        if out.bytes.len() > LEN_MAX {
            return None;
        }
        if !matches!(node, Node::Nothing | Node::Start | Node::LineStart | Node::End) {
            // Something follows what was the end.
            out.to_line_end = false;
        }
        match node {
            Node::Byte(byte) => out.bytes.push(*byte),
            Node::Set(set) => out.bytes.push(self.of_set(set)?),
            Node::Cat(parts) => {
                for part in parts {
                    self.write(part, out, groups)?;
                }
            }
            Node::Alt(parts) => {
                let part = parts.get(self.rng.below(parts.len()))?;
                self.write(part, out, groups)?;
            }
            Node::Repeat { node, min, max } => {
                for _ in 0..self.times(*min, *max) {
                    self.write(node, out, groups)?;
                }
            }
            Node::Group(number, inside) => {
                let from = out.bytes.len();
                self.write(inside, out, groups)?;
                if groups.len() <= *number {
                    groups.resize(*number + 1, Vec::new());
                }
                *groups.get_mut(*number)? = out.bytes.get(from..)?.to_vec();
            }
            Node::Back(number) => {
                let group = groups.get(*number)?.clone();
                out.bytes.extend(group);
            }
            Node::Start => out.at_start |= out.bytes.is_empty(),
            Node::LineStart => out.at_line |= out.bytes.is_empty(),
            Node::End => out.to_end = true,
            Node::LineEnd => out.to_line_end = true,
            Node::Ahead(inside) => {
                if self.write_ahead {
                    self.write(inside, out, groups)?;
                }
            }
            Node::Nothing => {}
        }
        Some(())
    }

    fn of_set(&mut self, set: &ByteSet) -> Option<u8> {
        let liked: Vec<u8> = set.iter().filter(|&b| self.liked.contains(b)).collect();
        if let Some(byte) = self.rng.pick(&liked) {
            return Some(byte);
        }
        let printable: Vec<u8> = set.iter().filter(|b| (0x20..0x7f).contains(b)).collect();
        let all: Vec<u8> = set.iter().collect();
        self.rng.pick(&printable).or_else(|| self.rng.pick(&all))
    }

    fn times(&mut self, min: u32, max: Option<u32>) -> u32 {
        if self.short || max.is_some_and(|max| max <= min) {
            return min;
        }
        let more = match self.rng.below(4) {
            0 | 1 => u32::from(min == 0),
            2 => 0,
            _ => self.rng.below(6) as u32,
        };
        let all = min.saturating_add(more);
        max.map_or(all, |max| all.min(max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::pattern::parse;

    /// Samples of each that the library does not match are counted; none may fail in all.
    #[test]
    fn what_is_made_of_a_pattern_it_matches() {
        let patterns = [
            r"^/(?:java(?:db|im|rh)|silver)\.php\?id=[a-f0-9]{32}$",
            r"Host\x3a\x20(?P<h>[^\x3a\r\n]+)\r\n.*?Referer\x3a\x20https?\x3a//(?P=h)/?",
            r"(?i)foo(?=bar)\w+\d{2,4}",
            r"^[A-Z]{3,}\s\x2f[\w\x2d.]+\x20HTTP/1\.[01]\r$",
            r"(['\x22])\w+\1\s*\[\s*(?:0x)?[[:xdigit:]]+\]",
        ];
        for (pattern, of) in patterns.iter().zip(0..) {
            let node = parse(pattern, false, false, false, false).expect(pattern);
            let regex = pcre2::bytes::Regex::new(pattern).unwrap();
            let mut rng = Rng::new(1, of);
            let fits = (0..40)
                .filter(|i| {
                    let mut sampler = Sampler {
                        rng: &mut rng,
                        liked: ByteSet::of(|b| b.is_ascii_lowercase()),
                        short: i % 2 == 0,
                        write_ahead: i % 4 < 2,
                    };
                    let sample = sampler.sample(&node).unwrap();
                    regex.is_match(&sample.bytes).unwrap()
                })
                .count();
            assert!(fits >= 5, "{pattern}: {fits} of 40");
        }
    }

    #[test]
    fn what_is_not_understood_is_none() {
        for pattern in ["(*UTF)a", "a(?(1)b|c)", "(a", "a)", "(?R)", "*a"] {
            assert_eq!(parse(pattern, false, false, false, false), None, "{pattern}");
        }
    }

    #[test]
    fn anchors_are_told() {
        let of = |pattern, multi_line| {
            let node = parse(pattern, false, false, multi_line, false).unwrap();
            let mut sampler = Sampler {
                rng: &mut Rng::new(1, 1),
                liked: ByteSet::EMPTY,
                short: true,
                write_ahead: false,
            };
            sampler.sample(&node).unwrap()
        };
        assert!(of("^a$", false).at_start && of("^a$", false).to_end);
        assert!(of("^a$", true).at_line && of("^a$", true).to_line_end);
        assert_eq!(of("a", false), Sample { bytes: b"a".to_vec(), ..Sample::default() });
    }
}
