//! From the text of a PCRE pattern to a tree.

use std::collections::HashMap;

use super::{ByteSet, Node};

/// How deep groups may be in each other.
const DEPTH_MAX: usize = 60;

/// Letters of a pattern that change how it is read.
#[derive(Clone, Copy, Debug, Default)]
struct Mode {
    caseless: bool,
    dot_all: bool,
    multi_line: bool,
    extended: bool,
}

/// Reads a pattern; the flags are those behind its second slash. `None` for what is not understood:
/// conditions, recursion, verbs.
pub(crate) fn parse(
    pattern: &str,
    caseless: bool,
    dot_all: bool,
    multi_line: bool,
    extended: bool,
) -> Option<Node> {
    let mut parser = Parser {
        text: pattern.as_bytes(),
        at: 0,
        mode: Mode { caseless, dot_all, multi_line, extended },
        groups: 0,
        names: HashMap::new(),
        depth: 0,
    };
    let node = parser.alternatives()?;
    (parser.at == parser.text.len()).then_some(node)
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    mode: Mode,
    groups: usize,
    names: HashMap<Vec<u8>, usize>,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn eat(&mut self, what: &[u8]) -> bool {
        let is = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(what));
        if is {
            self.at += what.len();
        }
        is
    }

    fn until(&mut self, end: u8) -> Option<Vec<u8>> {
        let rest = self.text.get(self.at..)?;
        let len = rest.iter().position(|&b| b == end)?;
        self.at += len + 1;
        rest.get(..len).map(<[u8]>::to_vec)
    }

    fn alternatives(&mut self) -> Option<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let mut all = vec![self.sequence()?];
        while self.eat(b"|") {
            all.push(self.sequence()?);
        }
        self.depth -= 1;
        Some(if all.len() == 1 { all.pop()? } else { Node::Alt(all) })
    }

    fn sequence(&mut self) -> Option<Node> {
        let mut parts = Vec::new();
        while let Some(byte) = self.peek() {
            if matches!(byte, b'|' | b')') {
                break;
            }
            if self.mode.extended && byte.is_ascii_whitespace() {
                self.at += 1;
                continue;
            }
            if self.mode.extended && byte == b'#' {
                self.until(b'\n').or_else(|| {
                    self.at = self.text.len();
                    Some(Vec::new())
                })?;
                continue;
            }
            if self.eat(b"\\Q") {
                let rest = self.text.get(self.at..)?;
                let len = rest.windows(2).position(|w| w == b"\\E").unwrap_or(rest.len());
                parts.extend(rest.get(..len)?.iter().map(|&b| Node::Byte(b)));
                self.at = (self.at + len + 2).min(self.text.len());
                continue;
            }
            let atom = self.atom()?;
            parts.push(self.quantified(atom)?);
        }
        Some(if parts.len() == 1 { parts.pop()? } else { Node::Cat(parts) })
    }

    fn quantified(&mut self, mut node: Node) -> Option<Node> {
        loop {
            let (min, max) = match self.peek() {
                Some(b'*') => (0, None),
                Some(b'+') => (1, None),
                Some(b'?') => (0, Some(1)),
                Some(b'{') => match self.counts() {
                    Some(counts) => {
                        // The brace is eaten already, step back to where the loop expects it.
                        self.at -= 1;
                        counts
                    }
                    None => return Some(node),
                },
                _ => return Some(node),
            };
            self.at += 1;
            // Lazy or possessive: the strings are the same.
            let _ = self.eat(b"?") || self.eat(b"+");
            node = Node::Repeat { node: Box::new(node), min, max };
        }
    }

    /// `{2}`, `{2,}`, `{2,5}`, `{,5}`; anything else is text.
    fn counts(&mut self) -> Option<(u32, Option<u32>)> {
        let rest = self.text.get(self.at + 1..)?;
        let len = rest.iter().position(|&b| b == b'}')?;
        let inside = std::str::from_utf8(rest.get(..len)?).ok()?;
        let counts = match inside.split_once(',') {
            None => inside.parse().ok().map(|n| (n, Some(n))),
            Some((min, "")) => min.parse().ok().map(|n| (n, None)),
            Some(("", max)) => max.parse().ok().map(|n| (0, Some(n))),
            Some((min, max)) => min.parse().ok().zip(max.parse().ok()).map(|(a, b)| (a, Some(b))),
        }?;
        self.at += len + 2;
        Some(counts)
    }

    fn atom(&mut self) -> Option<Node> {
        Some(match self.take()? {
            b'(' => return self.group(),
            b'[' => Node::Set(self.class()?),
            b'.' if self.mode.dot_all => Node::Set(ByteSet::EMPTY.inverted()),
            b'.' => Node::Set(ByteSet::of(|b| b != b'\n')),
            b'^' if self.mode.multi_line => Node::LineStart,
            b'^' => Node::Start,
            b'$' if self.mode.multi_line => Node::LineEnd,
            b'$' => Node::End,
            b'\\' => return self.escape(),
            b'*' | b'+' | b'?' => return None,
            byte => Node::Byte(byte),
        })
    }

    fn group(&mut self) -> Option<Node> {
        if self.peek() == Some(b'*') {
            return None;
        }
        let before = self.mode;
        let mut number = None;
        let mut look = None;
        if self.eat(b"?") {
            if self.eat(b"#") {
                self.until(b')')?;
                return Some(Node::Nothing);
            }
            if self.eat(b"=") {
                look = Some(true);
            } else if self.eat(b"!") || self.eat(b"<=") || self.eat(b"<!") {
                look = Some(false);
            } else if self.eat(b"P=") {
                let name = self.until(b')')?;
                return self.names.get(&name).map(|&n| Node::Back(n));
            } else if self.eat(b"P<") || self.eat(b"<") {
                number = Some(self.name(b'>')?);
            } else if self.eat(b"'") {
                number = Some(self.name(b'\'')?);
            } else if !self.eat(b":") && !self.eat(b">") {
                match self.flags()? {
                    // `(?i)`: up to the end of the group around it.
                    b')' => return Some(Node::Nothing),
                    b':' => {}
                    _ => return None,
                }
            }
        } else {
            self.groups += 1;
            number = Some(self.groups);
        }
        let inside = self.alternatives()?;
        if !self.eat(b")") {
            return None;
        }
        self.mode = before;
        Some(match (look, number) {
            (Some(true), _) => Node::Ahead(Box::new(inside)),
            (Some(false), _) => Node::Nothing,
            (None, Some(number)) => Node::Group(number, Box::new(inside)),
            (None, None) => inside,
        })
    }

    fn name(&mut self, end: u8) -> Option<usize> {
        let name = self.until(end)?;
        self.groups += 1;
        self.names.insert(name, self.groups);
        Some(self.groups)
    }

    /// Flags within `(?`; what ends them.
    fn flags(&mut self) -> Option<u8> {
        let mut on = true;
        loop {
            match self.take()? {
                b'-' => on = false,
                b'i' => self.mode.caseless = on,
                b's' => self.mode.dot_all = on,
                b'm' => self.mode.multi_line = on,
                b'x' => self.mode.extended = on,
                b'U' | b'J' => {}
                end @ (b')' | b':') => return Some(end),
                _ => return None,
            }
        }
    }

    fn escape(&mut self) -> Option<Node> {
        let byte = self.take()?;
        Some(match byte {
            b'A' => Node::Start,
            b'z' | b'Z' => Node::End,
            b'b' | b'B' | b'K' | b'G' | b'E' => Node::Nothing,
            b'R' => Node::Cat(vec![Node::Byte(b'\r'), Node::Byte(b'\n')]),
            b'1'..=b'9' => {
                let mut number = usize::from(byte - b'0');
                if let Some(next @ b'0'..=b'9') = self.peek() {
                    self.at += 1;
                    number = number * 10 + usize::from(next - b'0');
                }
                Node::Back(number)
            }
            b'k' => {
                let end = match self.take()? {
                    b'<' => b'>',
                    b'{' => b'}',
                    b'\'' => b'\'',
                    _ => return None,
                };
                let name = self.until(end)?;
                Node::Back(*self.names.get(&name)?)
            }
            b'g' => {
                let text = if self.eat(b"{") { self.until(b'}')? } else { vec![self.take()?] };
                let number: i64 = std::str::from_utf8(&text).ok()?.parse().ok()?;
                let groups = i64::try_from(self.groups).ok()?;
                let number = if number < 0 { groups + 1 + number } else { number };
                Node::Back(usize::try_from(number).ok()?)
            }
            _ => match class_of(byte) {
                Some(set) => Node::Set(set),
                None => Node::Byte(self.character(byte)?),
            },
        })
    }

    /// The byte that an escape stands for, its first letter already taken.
    fn character(&mut self, byte: u8) -> Option<u8> {
        Some(match byte {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'f' => 0x0c,
            b'a' => 7,
            b'e' => 0x1b,
            b'c' => self.take()?.to_ascii_uppercase() ^ 0x40,
            b'0' => {
                let mut value = 0u32;
                for _ in 0..2 {
                    let Some(digit @ b'0'..=b'7') = self.peek() else { break };
                    self.at += 1;
                    value = value * 8 + u32::from(digit - b'0');
                }
                u8::try_from(value).ok()?
            }
            b'x' => {
                let text = if self.eat(b"{") {
                    self.until(b'}')?
                } else {
                    let rest = self.text.get(self.at..)?;
                    let len = rest.iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
                    self.at += len;
                    rest.get(..len)?.to_vec()
                };
                let text = std::str::from_utf8(&text).ok()?;
                if text.is_empty() { 0 } else { u8::from_str_radix(text, 16).ok()? }
            }
            byte if byte.is_ascii_alphanumeric() => return None,
            byte => byte,
        })
    }

    fn class(&mut self) -> Option<ByteSet> {
        let negated = self.eat(b"^");
        let mut set = ByteSet::EMPTY;
        let mut first = true;
        loop {
            if self.peek()? == b'[' && self.text.get(self.at + 1) == Some(&b':') {
                self.at += 2;
                let inverted = self.eat(b"^");
                let name = self.until(b':')?;
                if !self.eat(b"]") {
                    return None;
                }
                let named = posix(&name)?;
                set.join(&if inverted { named.inverted() } else { named });
                first = false;
                continue;
            }
            let low = match self.take()? {
                b']' if !first => break,
                b'\\' => {
                    let byte = self.take()?;
                    if let Some(class) = class_of(byte) {
                        set.join(&class);
                        first = false;
                        continue;
                    }
                    match byte {
                        b'b' => 8,
                        b'1'..=b'7' => byte - b'0',
                        byte => self.character(byte)?,
                    }
                }
                byte => byte,
            };
            first = false;
            let is_range = self.peek()? == b'-' && self.text.get(self.at + 1) != Some(&b']');
            if !is_range {
                set.insert(low);
                continue;
            }
            self.at += 1;
            let high = match self.take()? {
                b'\\' => {
                    let byte = self.take()?;
                    if let Some(class) = class_of(byte) {
                        set.insert(low);
                        set.insert(b'-');
                        set.join(&class);
                        continue;
                    }
                    self.character(byte)?
                }
                byte => byte,
            };
            (low..=high).for_each(|b| set.insert(b));
        }
        if self.mode.caseless {
            set = set.folded();
        }
        Some(if negated { set.inverted() } else { set })
    }
}

/// `\d` and its siblings.
fn class_of(letter: u8) -> Option<ByteSet> {
    let set = match letter.to_ascii_lowercase() {
        b'd' => ByteSet::of(|b| b.is_ascii_digit()),
        b'w' => ByteSet::of(|b| b.is_ascii_alphanumeric() || b == b'_'),
        b's' => ByteSet::of(|b| b.is_ascii_whitespace() || b == 0x0b),
        b'h' => ByteSet::of(|b| matches!(b, b' ' | b'\t' | 0xa0)),
        b'v' => ByteSet::of(|b| matches!(b, 0x0a..=0x0d | 0x85)),
        b'n' if letter == b'N' => return Some(ByteSet::of(|b| b != b'\n')),
        _ => return None,
    };
    Some(if letter.is_ascii_uppercase() { set.inverted() } else { set })
}

fn posix(name: &[u8]) -> Option<ByteSet> {
    Some(ByteSet::of(match name {
        b"alpha" => |b: u8| b.is_ascii_alphabetic(),
        b"digit" => |b: u8| b.is_ascii_digit(),
        b"alnum" => |b: u8| b.is_ascii_alphanumeric(),
        b"upper" => |b: u8| b.is_ascii_uppercase(),
        b"lower" => |b: u8| b.is_ascii_lowercase(),
        b"space" => |b: u8| b.is_ascii_whitespace() || b == 0x0b,
        b"blank" => |b: u8| matches!(b, b' ' | b'\t'),
        b"punct" => |b: u8| b.is_ascii_punctuation(),
        b"print" => |b: u8| b.is_ascii_graphic() || b == b' ',
        b"graph" => |b: u8| b.is_ascii_graphic(),
        b"cntrl" => |b: u8| b.is_ascii_control(),
        b"xdigit" => |b: u8| b.is_ascii_hexdigit(),
        b"word" => |b: u8| b.is_ascii_alphanumeric() || b == b'_',
        b"ascii" => |b: u8| b.is_ascii(),
        _ => return None,
    }))
}
