//! Text to nodes.

use super::functions::KNOWN;
use super::{Base, Fault, Node, Pipe, Template, Term};

/// Functions that Prometheus 2.42 and 3 have and the box has not: they ask the server, or make HTML.
const ELSEWHERE: &[&str] = &[
    "query",
    "first",
    "label",
    "value",
    "strvalue",
    "args",
    "safeHtml",
    "graphLink",
    "tableLink",
    "sortByLabel",
    "pathPrefix",
    "externalURL",
    "parseDuration",
    "toDuration",
    "toTime",
    "now",
    "urlQueryEscape",
    "tmpl",
    "html",
    "js",
    "urlquery",
    "call",
    "slice",
    "stripDomain",
];
/// Actions of text/template that the box has not.
const ACTIONS: &[&str] = &["range", "define", "template", "block", "break", "continue"];

/// How deep actions and parentheses may nest; rule files need two or three, and the parser recurses.
const DEPTH: usize = 50;

pub(super) fn parse(text: &str) -> Result<Vec<Node>, Fault> {
    let mut parser = Parser { pieces: pieces(text)?.into_iter(), depth: 0 };
    let (nodes, end) = parser.nodes()?;
    match end {
        Stop::File => Ok(nodes),
        Stop::Done => wrong("unexpected {{end}}"),
        Stop::Else(_) => wrong("unexpected {{else}}"),
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Wrong(what.into()))
}

enum Piece {
    Text(String),
    Action(Vec<Token>),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    /// `.a`, directly after what it is a field of when `joined`.
    Field {
        name: String,
        joined: bool,
    },
    Dot,
    Variable(String),
    Text(String),
    Number(String),
    Pipe,
    Open,
    Close,
}

/// Cuts the text at its actions and applies the trim markers.
fn pieces(text: &str) -> Result<Vec<Piece>, Fault> {
    let (mut pieces, mut rest, mut trim) = (Vec::new(), text, false);
    while let Some(start) = rest.find("{{") {
        let (before, after) = (&rest[..start], &rest[start + 2..]);
        let before = if trim { before.trim_start() } else { before };
        let marked = after.starts_with('-') && after[1..].starts_with(char::is_whitespace);
        let before = if marked { before.trim_end() } else { before };
        pieces.push(Piece::Text(before.to_owned()));
        let inside = if marked { &after[1..] } else { after };
        if let Some(comment) = inside.trim_start().strip_prefix("/*") {
            let Some(end) = comment.find("*/") else { return wrong("unclosed comment") };
            let tail = &comment[end + 2..];
            trim = tail.trim_start().starts_with('-') && tail.starts_with(char::is_whitespace);
            let tail = if trim { &tail.trim_start()[1..] } else { tail };
            let Some(tail) = tail.strip_prefix("}}") else { return wrong("comment ends before closing delimiter") };
            rest = tail;
            continue;
        }
        let (tokens, tail, trimmed) = tokens(inside)?;
        pieces.push(Piece::Action(tokens));
        (rest, trim) = (tail, trimmed);
    }
    pieces.push(Piece::Text(if trim { rest.trim_start() } else { rest }.to_owned()));
    Ok(pieces)
}

/// The tokens of one action, what follows its `}}`, and whether it ended in ` -}}`.
fn tokens(text: &str) -> Result<(Vec<Token>, &str, bool), Fault> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut joined = false;
    loop {
        let spaceless = rest.trim_start();
        joined = joined && spaceless.len() == rest.len();
        if spaceless.len() < rest.len()
            && let Some(tail) = spaceless.strip_prefix("-}}")
        {
            return Ok((tokens, tail, true));
        }
        rest = spaceless;
        if let Some(tail) = rest.strip_prefix("}}") {
            return Ok((tokens, tail, false));
        }
        let Some(first) = rest.chars().next() else { return wrong("unclosed action") };
        let word = |from: usize| {
            from + rest[from..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest[from..].len())
        };
        let (token, used) = match first {
            '|' => (Token::Pipe, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '"' => quoted(rest)?,
            '`' => {
                let Some(end) = rest[1..].find('`') else { return wrong("unterminated raw quoted string") };
                (Token::Text(rest[1..=end].to_owned()), end + 2)
            }
            '$' => (Token::Variable(rest[..word(1)].to_owned()), word(1)),
            '.' if word(1) == 1 => (Token::Dot, 1),
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                (Token::Field { name: rest[1..word(1)].to_owned(), joined }, word(1))
            }
            c if c.is_ascii_digit() || matches!(c, '+' | '-' | '.') => {
                let fits = |(at, c): &(usize, char)| {
                    c.is_ascii_alphanumeric()
                        || matches!(c, '.' | '_')
                        || (matches!(c, '+' | '-') && (*at == 0 || rest[..*at].ends_with(['e', 'E', 'p', 'P'])))
                };
                let used = rest.char_indices().take_while(fits).count();
                (Token::Number(rest[..used].to_owned()), used)
            }
            c if c.is_alphabetic() || c == '_' => (Token::Word(rest[..word(0)].to_owned()), word(0)),
            ':' | '=' | ',' => return Err(Fault::Unsupported("a variable of its own".to_owned())),
            c => return wrong(format!("unexpected {c:?} in command")),
        };
        joined = matches!(token, Token::Variable(_) | Token::Field { .. } | Token::Close);
        tokens.push(token);
        rest = &rest[used..];
    }
}

/// A text in double quotes with Go's escapes, and the bytes it takes.
fn quoted(text: &str) -> Result<(Token, usize), Fault> {
    let (mut out, mut chars) = (String::new(), text.char_indices().skip(1));
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Text(out), at + 1)),
            '\n' => break,
            '\\' => {
                let Some((_, escape)) = chars.next() else { break };
                let mut code = |digits: usize| {
                    let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                    u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32)
                };
                let meant = match escape {
                    'n' => Some('\n'),
                    't' => Some('\t'),
                    'r' => Some('\r'),
                    '\\' | '"' => Some(escape),
                    'x' => code(2),
                    'u' => code(4),
                    'U' => code(8),
                    _ => None,
                };
                let Some(meant) = meant else { return wrong("invalid syntax in quoted string") };
                out.push(meant);
            }
            c => out.push(c),
        }
    }
    wrong("unterminated quoted string")
}

/// What ended a list of nodes.
enum Stop {
    File,
    Done,
    /// With what follows the word: `if …`, `with …` or nothing.
    Else(Vec<Token>),
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    depth: usize,
}

impl Parser {
    fn nodes(&mut self) -> Result<(Vec<Node>, Stop), Fault> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let mut action = match piece {
                Piece::Text(text) => {
                    if !text.is_empty() {
                        nodes.push(Node::Text(text));
                    }
                    continue;
                }
                Piece::Action(action) => action,
            };
            let word = match action.first() {
                Some(Token::Word(word)) => word.clone(),
                _ => String::new(),
            };
            match word.as_str() {
                "end" if action.len() == 1 => return Ok((nodes, Stop::Done)),
                "else" => return Ok((nodes, Stop::Else(action.split_off(1)))),
                "if" | "with" => nodes.push(self.branch(&action)?),
                word if ACTIONS.contains(&word) => return Err(Fault::Unsupported(format!("`{word}`"))),
                _ => nodes.push(Node::Put(self.pipe(&action)?)),
            }
        }
        Ok((nodes, Stop::File))
    }

    /// `if` or `with`, up to its `end`. `action` begins with the word.
    fn branch(&mut self, action: &[Token]) -> Result<Node, Fault> {
        self.deeper()?;
        let dot = action.first() == Some(&Token::Word("with".to_owned()));
        let test = self.pipe(&action[1..])?;
        let (yes, end) = self.nodes()?;
        let no = match end {
            Stop::File => return wrong("unexpected EOF"),
            Stop::Done => Vec::new(),
            // `else if` shares the end of the chain.
            Stop::Else(next) if !next.is_empty() => match next.first() {
                Some(Token::Word(word)) if word == "if" || word == "with" => vec![self.branch(&next)?],
                _ => return wrong("unexpected token in else"),
            },
            Stop::Else(_) => match self.nodes()? {
                (no, Stop::Done) => no,
                (_, Stop::File) => return wrong("unexpected EOF"),
                (_, Stop::Else(_)) => return wrong("expected end; found {{else}}"),
            },
        };
        self.depth -= 1;
        Ok(Node::If { test, yes, no, dot })
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEPTH { Err(Fault::Unsupported(format!("nesting beyond {DEPTH}"))) } else { Ok(()) }
    }

    fn pipe(&mut self, tokens: &[Token]) -> Result<Pipe, Fault> {
        let mut rest = tokens;
        let pipe = self.commands(&mut rest)?;
        if rest.is_empty() { Ok(pipe) } else { wrong("unexpected right paren") }
    }

    /// Reads commands up to the end or a `)` that belongs to the caller.
    fn commands(&mut self, rest: &mut &[Token]) -> Result<Pipe, Fault> {
        let mut pipe = vec![Vec::new()];
        while let Some((token, tail)) = rest.split_first() {
            if *token == Token::Close {
                break;
            }
            *rest = tail;
            let Some(command) = pipe.last_mut() else { break };
            let term = match token {
                Token::Pipe => {
                    pipe.push(Vec::new());
                    continue;
                }
                Token::Field { name, joined: true } => {
                    match command.last_mut() {
                        Some(Term::Path(_, fields)) => fields.push(name.clone()),
                        _ => return wrong(format!("unexpected <.{name}>")),
                    }
                    continue;
                }
                Token::Field { name, joined: false } => Term::Path(Base::Dot, vec![name.clone()]),
                Token::Dot => Term::Path(Base::Dot, Vec::new()),
                Token::Variable(name) => match name.as_str() {
                    "$" => Term::Path(Base::Root, Vec::new()),
                    "$labels" => Term::Path(Base::Labels, Vec::new()),
                    "$value" => Term::Path(Base::Value, Vec::new()),
                    "$externalLabels" | "$externalURL" => Term::Path(Base::Nothing, Vec::new()),
                    _ => return wrong(format!("undefined variable {name:?}")),
                },
                Token::Text(text) => Term::Text(text.clone()),
                Token::Number(number) => self::number(number)?,
                Token::Word(word) => match word.as_str() {
                    "true" | "false" => Term::Bool(word == "true"),
                    "nil" => return wrong("nil is not a command"),
                    word => match KNOWN.iter().find(|known| **known == word) {
                        Some(known) => Term::Call(known),
                        None if ELSEWHERE.contains(&word) => return Err(Fault::Unsupported(format!("`{word}`"))),
                        None => return wrong(format!("function {word:?} not defined")),
                    },
                },
                Token::Open => {
                    self.deeper()?;
                    let inner = self.commands(rest)?;
                    let Some((Token::Close, tail)) = rest.split_first() else { return wrong("unclosed left paren") };
                    *rest = tail;
                    self.depth -= 1;
                    Term::Path(Base::Inner(inner), Vec::new())
                }
                Token::Close => break,
            };
            command.push(term);
        }
        let empty = pipe.iter().any(Vec::is_empty);
        let constant = pipe.iter().skip(1).any(|c| !matches!(c.first(), Some(Term::Call(_) | Term::Path(..))));
        match (empty, constant) {
            (true, _) => wrong("missing value for command"),
            (_, true) => wrong("non executable command in pipeline"),
            _ => Ok(pipe),
        }
    }
}

fn number(text: &str) -> Result<Term, Fault> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let plain = digits.replace('_', "");
    let int = match plain.strip_prefix("0x").or(plain.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => plain.parse(),
    };
    match (int, text.parse()) {
        (Ok(int), _) => Ok(Term::Int(sign * int)),
        (_, Ok(float)) if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') => Ok(Term::Float(float)),
        _ => wrong(format!("bad number syntax: {text:?}")),
    }
}

impl Template {
    /// A template without any action: what it expands to, for every series.
    pub fn constant(&self) -> Option<&str> {
        match self.parsed.as_deref() {
            Ok([]) => Some(""),
            Ok([Node::Text(text)]) => Some(text),
            _ => None,
        }
    }
}
