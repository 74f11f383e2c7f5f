use serde_json::Value as Json;

use crate::table::Table;
use crate::version::Step;
use crate::{Law, ProgrammeRules, Version};

mod words;

use words::{fact, number, parameter_value, rounding, written_date};

/// A decision told to people: sentences in the order of the working, in Vietnamese and English.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explained {
    pub vi: Vec<String>,
    pub en: Vec<String>,
}

/// Tells a stored explanation by the law it cites. What cannot be read is said to be so.
pub fn explain(law: &Law, stored: &str) -> Explained {
    let mut told = Explained::default();
    let json: Json = serde_json::from_str(stored).unwrap_or(Json::Null);
    let rule = json["rule"].as_str().and_then(|it| it.split_once('/'));
    let rules = rule.and_then(|it| law.programme(it.0.parse().ok()?));
    let version = rules
        .zip(rule)
        .and_then(|(rules, rule)| rules.version(rule.1));
    let Some((rules, version)) = rules.zip(version) else {
        told.say(
            "Bản giải trình này không đọc được bằng luật hiện có.",
            "This explanation cannot be read with the law at hand.",
        );
        return told;
    };
    let teller = Teller {
        law,
        rules,
        version,
    };
    teller.tell(&json, &mut told);
    told
}

struct Teller<'l> {
    law: &'l Law,
    rules: &'l ProgrammeRules,
    version: &'l Version,
}

impl Explained {
    fn say(&mut self, vi: impl Into<String>, en: impl Into<String>) {
        self.vi.push(vi.into());
        self.en.push(en.into());
    }
}

impl Teller<'_> {
    fn tell(&self, json: &Json, told: &mut Explained) {
        let (name, law, id) = (
            self.rules.name(),
            self.version.legal_basis(),
            self.version.id(),
        );
        told.say(
            format!("{}: theo {law} (phiên bản {id}).", name.vi),
            format!("{}: by {law} (version {id}).", name.en),
        );
        for evidence in self.rules.evidence() {
            let value = &json["facts"][&*evidence.fact];
            if !value.is_null() {
                let (vi, en) = fact(evidence, value);
                let label = &evidence.label;
                told.say(
                    format!("{}: {vi}.", label.vi),
                    format!("{}: {en}.", label.en),
                );
            }
        }
        self.events(json, told);
        for (name, value) in json["derived"].as_object().into_iter().flatten() {
            self.derived(name, value, told);
        }
        self.working(json, told);
        self.reason(json, told);
        self.rounded(json, told);
        let local = &json["local"];
        if local.is_object() {
            told.say(
                "Tỉnh có mức cao hơn mức chung của cả nước, nên tính lại theo mức của tỉnh:",
                "The province has a higher level than the country, so by its level:",
            );
            self.working(local, told);
            self.rounded(local, told);
        }
    }

    fn events(&self, json: &Json, told: &mut Explained) {
        if let Some(kind) = json["event"][0].as_str() {
            let (happened, known) = (&json["event"][1], &json["event"][2]);
            let (happened, known) = (written_date(happened), written_date(known));
            let effect = self
                .rules
                .effects()
                .iter()
                .find(|it| it.event.code() == kind);
            let (vi, en, law) = effect.map_or((kind, kind, ""), |it| {
                (&it.sentence.vi, &it.sentence.en, &it.legal_basis)
            });
            told.say(
                format!("{vi}: ngày {happened}, được biết ngày {known}; {law}."),
                format!("{en}: on {happened}, known on {known}; {law}."),
            );
        }
        if json["paid_back"].is_array() {
            let day = written_date(&json["paid_back"][1]);
            told.say(
                format!("Tháng này từng tạm dừng (từ sự việc ngày {day}) và được trả bù."),
                format!("The month was suspended (by what happened on {day}) and is paid back."),
            );
        }
        for missing in json["missing"].as_array().into_iter().flatten() {
            let found = missing.as_str().and_then(|it| self.rules.evidence_of(it));
            if let Some(evidence) = found {
                let label = &evidence.label;
                told.say(
                    format!("Thiếu: {}.", label.vi),
                    format!("Missing: {}.", label.en),
                );
            }
        }
    }

    fn derived(&self, name: &str, value: &Json, told: &mut Explained) {
        let shown = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        let since = |prefix: &str| self.rules.evidence_of(name.strip_prefix(prefix)?);
        match name {
            "age" => told.say(
                format!("Tuổi vào ngày cuối tháng: {shown}."),
                format!("Age on the last day of the month: {shown}."),
            ),
            "age_months" => told.say(
                format!("Tuổi tính theo tháng: {shown}."),
                format!("Age in months: {shown}."),
            ),
            "sex" => {
                let vi = if shown == "male" { "nam" } else { "nữ" };
                told.say(format!("Giới tính: {vi}."), format!("Sex: {shown}."));
            }
            _ => {
                if let Some(it) = since("months_since_") {
                    told.say(
                        format!("Số tháng từ khi: {}: {shown}.", it.label.vi),
                        format!("Months since: {}: {shown}.", it.label.en),
                    );
                } else if let Some(it) = since("years_since_") {
                    told.say(
                        format!("Số năm từ khi: {}: {shown}.", it.label.vi),
                        format!("Years since: {}: {shown}.", it.label.en),
                    );
                }
            }
        }
    }

    fn working(&self, json: &Json, told: &mut Explained) {
        for it in json["parameters"].as_array().into_iter().flatten() {
            let number = it[0].as_i64().and_then(|it| i32::try_from(it).ok());
            if let Some(parameter) = number.and_then(|it| self.law.parameter(it)) {
                let (name, law) = (&parameter.name, &parameter.legal_basis);
                let (vi, en) = parameter_value(parameter, it[2].as_str().unwrap_or_default());
                told.say(
                    format!("{name}: {vi}, theo {law}."),
                    format!("{name}: {en}, by {law}."),
                );
            }
        }
        for it in json["steps"].as_array().into_iter().flatten() {
            let Some(name) = it[0].as_str() else {
                continue;
            };
            for step in &self.version.steps {
                match step {
                    Step::Value { slot, label, .. } if self.name(*slot) == name => {
                        let (vi, en) = number(it[1].as_str().unwrap_or_default());
                        told.say(
                            format!("{}: {vi}.", label.vi),
                            format!("{}: {en}.", label.en),
                        );
                    }
                    Step::Table(table) if &*table.name == name => {
                        let rows = it.as_array().into_iter().flatten().skip(1);
                        rows.for_each(|row| self.row(table, row, told));
                    }
                    _ => {}
                }
            }
        }
    }

    fn name(&self, slot: usize) -> &str {
        &self.version.names.get(slot).name
    }

    fn row(&self, table: &Table, row: &Json, told: &mut Explained) {
        let (mut vi, mut en) = (Vec::new(), Vec::new());
        for slot in &table.outputs {
            let name = self.name(*slot);
            let (in_vi, in_en) = number(row[name].as_str().unwrap_or_default());
            vi.push(format!("{name} = {in_vi}"));
            en.push(format!("{name} = {in_en}"));
        }
        let (vi, en) = (vi.join(", "), en.join(", "));
        let row_no = row["row"].as_u64().and_then(|it| usize::try_from(it).ok());
        let line = row_no.and_then(|it| table.lines.get(it.checked_sub(1)?));
        let Some(line) = line else {
            let name = &table.name;
            told.say(
                format!("Không dòng nào của bảng {name} phù hợp: {vi}."),
                format!("No row of table {name} applies: {en}."),
            );
            return;
        };
        let (label, law) = (&line.label, &line.legal_basis);
        if row["taken"] == Json::Bool(false) {
            told.say(
                format!(
                    "Cũng thuộc: {} ({law}), nhưng có mức cao hơn: {vi}.",
                    label.vi
                ),
                format!(
                    "Also applies: {} ({law}), but another gives more: {en}.",
                    label.en
                ),
            );
        } else {
            told.say(
                format!("{} ({law}): {vi}.", label.vi),
                format!("{} ({law}): {en}.", label.en),
            );
        }
    }

    fn reason(&self, json: &Json, told: &mut Explained) {
        let Some(reason) = json["reason"].as_str() else {
            return;
        };
        let step = json["step"]
            .as_u64()
            .and_then(|it| usize::try_from(it).ok());
        let step = step.and_then(|it| self.version.steps.get(it.checked_sub(1)?));
        let (vi, en) = match step.and_then(Step::reason) {
            Some((_, sentence)) => (sentence.vi.as_str(), sentence.en.as_str()),
            None => match reason {
                "not_born" => ("Sinh sau kỳ này", "Born after this period"),
                "evidence_missing" => ("Thiếu giấy tờ, thông tin", "Evidence is missing"),
                _ if reason.starts_with("stopped_") => ("Đã thôi hưởng", "Payment has ended"),
                _ => ("Đang tạm dừng hưởng", "Payment is suspended"),
            },
        };
        told.say(
            format!("Không được hưởng: {vi}."),
            format!("Nothing is owed: {en}."),
        );
    }

    fn rounded(&self, json: &Json, told: &mut Explained) {
        let Some(amount) = json["rounded"].as_str() else {
            return;
        };
        let (vi, en) = rounding(self.rules.rounding());
        let amount = amount
            .parse()
            .map_or_else(|_| amount.to_owned(), domain::Money::vi);
        told.say(
            format!("Mức được hưởng: {amount} ({vi})."),
            format!("Owed: {amount} ({en})."),
        );
    }
}
