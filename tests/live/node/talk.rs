//! One HTTP/1.1 connection that is kept, so that asking opens no socket and starts no process. The bench uses this file too.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

pub struct Talk(BufReader<TcpStream>);

impl Talk {
    /// With an exporter on loopback.
    pub fn with(port: u16) -> Result<Talk> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Talk(BufReader::new(stream)))
    }

    /// Its page, which comes in chunks (RFC 9112 section 7.1) and unpacked, since we take no other.
    pub fn page(&mut self) -> Result<String> {
        self.0.get_mut().write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let (mut heads, mut body) = (Vec::new(), Vec::new());
        while heads.last().is_none_or(|line: &String| !line.is_empty()) {
            heads.push(self.line()?);
        }
        let chunked = heads.iter().any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
        if !heads[0].starts_with("HTTP/1.1 200") || !chunked {
            return Err(Error::new(ErrorKind::InvalidData, heads.join("; ")));
        }
        loop {
            let length = u64::from_str_radix(&self.line()?, 16).map_err(|e| Error::new(ErrorKind::InvalidData, e))?;
            self.0.by_ref().take(length).read_to_end(&mut body)?;
            self.line()?;
            if length == 0 {
                return String::from_utf8(body).map_err(|e| Error::new(ErrorKind::InvalidData, e));
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}
