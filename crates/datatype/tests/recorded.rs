//! `recorded.tsv` holds answers of PostgreSQL 15 (C locale), one a line: the answer, then what was asked. An
//! answer is `=` and the text, or `!SQLSTATE|message|detail|hint`. Backslash, tab, line feed and carriage
//! return are escaped. The same questions have to get the same answers here.

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::QualifiedName;
    use datatype::{
        Arithmetic, Average, Datum, EnumType, Sum, Type, ValueError, Zone, arithmetic, array, can_cast, cast, compare,
        json, parse, parse_in, pattern, write_json, write_output,
    };

    #[test]
    fn answers_are_postgresqls() {
        let mut wrong = Vec::new();
        let mut count = 0;
        for line in include_str!("recorded.tsv").lines() {
            let fields: Vec<String> = line.split('\t').map(unescape).collect();
            let (expected, question) = fields.split_first().expect("an answer");
            let question: Vec<&str> = question.iter().map(String::as_str).collect();
            let answer = match ask(&question) {
                Ok(text) => format!("={text}"),
                Err(error) => {
                    let (details, hint) = (error.details.clone().unwrap_or_default(), error.hint().unwrap_or_default());
                    format!("!{}|{error}|{details}|{hint}", error.sqlstate)
                }
            };
            if &answer != expected {
                wrong.push(format!("{question:?}\n  PostgreSQL {expected}\n  here       {answer}"));
            }
            count += 1;
        }
        assert!(wrong.is_empty(), "{} of {count} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    }

    fn ask(question: &[&str]) -> Result<String, ValueError> {
        let (kind, zone) = (question[0], Zone::from_name(question[1]).expect("a zone"));
        let arguments = &question[2..];
        Ok(match (kind, arguments) {
            ("in", [name, text]) => {
                let data_type = type_of(name);
                let value = parse_in(&data_type, text, &zone)?;
                let mut out = Vec::new();
                write_output(&data_type, value.as_ref(), &zone, &mut out);
                out.push(b' ');
                write_json(&data_type, value.as_ref(), &zone, &mut out);
                String::from_utf8(out).expect("UTF-8")
            }
            ("cast", [from, to, text]) => {
                let (from, to) = (type_of(from), type_of(to));
                let value = parse_in(&from, text, &zone)?;
                show(&to, &cast(&from, &to, value.as_ref(), &zone)?, &zone)
            }
            ("cancast", [from, to]) => can_cast(&type_of(from), &type_of(to)).to_string(),
            ("arith", [name, symbol, left, right]) => {
                let data_type = type_of(name);
                let (left, right) = (parse(&data_type, left)?, parse(&data_type, right)?);
                let result = arithmetic(operator(symbol), &data_type, left.as_ref(), right.as_ref())?;
                show(&data_type, &result, &zone)
            }
            ("cmp", [name, left, right]) => {
                let data_type = type_of(name);
                let (left, right) = (parse(&data_type, left)?, parse(&data_type, right)?);
                (compare(&data_type, left.as_ref(), right.as_ref()) as i32).to_string()
            }
            ("like" | "ilike", [text, pattern]) => pattern::like(text, pattern, kind == "ilike")?.to_string(),
            ("~" | "~*", [text, pattern]) => pattern::compile(pattern, kind == "~*")?.is_match(text).to_string(),
            ("sum", [name, values @ ..]) => {
                let data_type = type_of(name);
                let mut sum = Sum::new(&data_type);
                for value in values {
                    sum.add(parse(&data_type, value)?.as_ref())?;
                }
                show(&Sum::result_type(&data_type).expect("a sum"), &sum.finish()?, &zone)
            }
            ("avg", [name, values @ ..]) => {
                let data_type = type_of(name);
                let mut average = Average::new(&data_type);
                for value in values {
                    average.add(parse(&data_type, value)?.as_ref())?;
                }
                show(&Average::result_type(&data_type).expect("an average"), &average.finish()?, &zone)
            }
            ("get" | "getj", [text, steps @ ..]) => at_path(kind == "get", text, steps)?,
            ("strip", [text]) => {
                json::validate(text)?;
                written(|out| json::strip_nulls(text, out))
            }
            ("str", [text]) => written(|out| json::write_string(text, out)),
            ("arr", [text]) => array::parse_literal(text)?
                .into_iter()
                .map(|element| element.map_or("<N>".to_owned(), |element| format!("<{element}>")))
                .collect(),
            _ => panic!("no such question: {question:?}"),
        })
    }

    /// The value at a path, and its text.
    fn at_path(is_canonical: bool, text: &str, steps: &[&str]) -> Result<String, ValueError> {
        let steps: Vec<json::Step<'_>> = steps
            .iter()
            .map(|step| match step.strip_prefix('#') {
                Some(index) => json::Step::Index(index.parse().expect("an index")),
                None => json::Step::Key(step),
            })
            .collect();
        let canonical = if is_canonical { json::canonical(text)? } else { text.to_owned() };
        json::validate(&canonical)?;
        let found = if is_canonical { json::get(&canonical, &steps) } else { json::get_json(&canonical, &steps) };
        let found_text = found.and_then(json::text_of);
        Ok(format!("{} {}", found.unwrap_or("<null>"), found_text.as_deref().unwrap_or("<null>")))
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn show(data_type: &Type, value: &Datum, zone: &Zone) -> String {
        if value.is_null() {
            return "<null>".to_owned();
        }
        written(|out| write_output(data_type, value.as_ref(), zone, out))
    }

    fn operator(symbol: &str) -> Arithmetic {
        match symbol {
            "+" => Arithmetic::Add,
            "-" => Arithmetic::Subtract,
            "*" => Arithmetic::Multiply,
            "/" => Arithmetic::Divide,
            _ => Arithmetic::Modulo,
        }
    }

    fn type_of(name: &str) -> Type {
        if let Some((base, modifier)) = name.trim_end_matches(')').split_once('(') {
            let numbers: Vec<i16> = modifier.split(',').map(|number| number.parse().expect("a number")).collect();
            return match (base, numbers.as_slice()) {
                ("numeric", [precision, scale]) => Type::Numeric(Some((precision.unsigned_abs(), *scale))),
                (_, [length]) => Type::Varchar(Some(u32::from(length.unsigned_abs()))),
                _ => panic!("no such type: {name}"),
            };
        }
        if name == "mood" {
            let labels = ["sad", "ok", "happy"].map(Arc::from).to_vec();
            return Type::Enum(Arc::new(EnumType { name: QualifiedName::new("public", "mood"), labels }));
        }
        Type::from_name(name).expect("a type")
    }

    fn unescape(field: &str) -> String {
        let mut text = String::new();
        let mut characters = field.chars();
        while let Some(character) = characters.next() {
            text.push(match character {
                '\\' => match characters.next() {
                    Some('t') => '\t',
                    Some('n') => '\n',
                    Some('r') => '\r',
                    other => other.unwrap_or('\\'),
                },
                other => other,
            });
        }
        text
    }
}
