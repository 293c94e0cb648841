//! What the bodies of answers have in common on all engines: what stands around rows, and the cells of CSV.

use plan::Shape;
use rest::Format;

/// What stands before the first row.
pub(crate) fn open(format: Format, shape: Shape, out: &mut Vec<u8>) {
    match format {
        Format::Array { .. } if !shape.is_single => out.push(b'['),
        Format::GeoJson => out.extend_from_slice(b"{\"type\": \"FeatureCollection\", \"features\": ["),
        _ => {}
    }
}

/// Whether the body is the first row alone: asked for by the client, or all that a function gives.
pub(crate) fn is_single(format: Format, shape: Shape) -> bool {
    match format {
        Format::Object { .. } | Format::Raw => true,
        Format::Array { .. } => shape.is_single,
        Format::Csv | Format::GeoJson | Format::OpenApi | Format::Plan => false,
    }
}

/// What stands after the last row.
pub(crate) fn close(format: Format, shape: Shape, rows: u64, out: &mut Vec<u8>) {
    match format {
        Format::Array { .. } if shape.is_single => {
            if rows == 0 {
                out.extend_from_slice(b"null");
            }
        }
        Format::Array { .. } => out.push(b']'),
        // Without a row there is no header either, only the end of its line.
        Format::Csv if rows == 0 => out.push(b'\n'),
        Format::GeoJson => out.extend_from_slice(b"]}"),
        Format::Csv | Format::Object { .. } | Format::OpenApi | Format::Raw | Format::Plan => {}
    }
}

/// A comma between members: not before the first one.
pub(crate) fn separate(start: usize, out: &mut Vec<u8>) {
    if out.len() > start {
        out.push(b',');
    }
}

/// Embedded JSON stands in CSV as `jsonb` prints.
pub(crate) fn canonical(json: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&json);
    datatype::json::canonical(&text).map_or(json.clone(), String::into_bytes)
}

/// A cell as PostgreSQL's row output quotes it, which is what PostgREST sends.
pub(crate) fn write_csv_cell(cell: &[u8], is_first: bool, out: &mut Vec<u8>) {
    if !is_first {
        out.push(b',');
    }
    let is_special =
        |byte: &u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b',') || byte.is_ascii_whitespace() || *byte == 0x0b;
    if !cell.is_empty() && !cell.iter().any(is_special) {
        out.extend_from_slice(cell);
        return;
    }
    out.push(b'"');
    for byte in cell {
        if matches!(byte, b'"' | b'\\') {
            out.push(*byte);
        }
        out.push(*byte);
    }
    out.push(b'"');
}
