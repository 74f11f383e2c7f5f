//! Parquet for programs: exact integers, dates and times as such, groups of rows of a bounded size,
//! compressed with Zstandard. Counts and sums stand in the file's key-value metadata.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::{Datelike, NaiveDate};
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::{Cell, Column, Control, Kind, Rows};

/// Rows that wait in memory for their group to be written.
const GROUP_ROWS_MAX: usize = 65_536;
/// Bytes of texts that wait.
const GROUP_BYTES_MAX: usize = 64 << 20;

/// Digits of a decimal that 64 bits hold.
const PRECISION: i32 = 18;

const ZSTD_LEVEL: i32 = 3;

const PREFIX: &str = "ansinh.";

/// The values of a column that are there.
enum Values {
    Int64(Vec<i64>),
    Int32(Vec<i32>),
    Bytes(Vec<ByteArray>),
    Truth(Vec<bool>),
}

struct Waiting {
    kind: Kind,
    values: Values,
    /// For each row 1 where it has a value, else 0.
    levels: Vec<i16>,
}

pub(super) struct Parquet {
    file: SerializedFileWriter<File>,
    columns: Vec<Waiting>,
    rows: usize,
    bytes: usize,
}

impl Parquet {
    pub fn begin(path: &Path, columns: &[Column]) -> anyhow::Result<Parquet> {
        let named = || format!("{} cannot be written", path.display());
        let file = File::create(path).with_context(named)?;
        let fields: anyhow::Result<Vec<_>> = columns.iter().map(field).collect();
        let schema = Type::group_type_builder("rows")
            .with_fields(fields?)
            .build()?;
        let zstd = Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?);
        let properties = WriterProperties::builder().set_compression(zstd).build();
        Ok(Parquet {
            file: SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))?,
            columns: columns.iter().map(|it| Waiting::of(it.kind)).collect(),
            rows: 0,
            bytes: 0,
        })
    }

    fn write_group(&mut self) -> anyhow::Result<()> {
        let mut group = self.file.next_row_group()?;
        for waiting in &mut self.columns {
            let mut column = group.next_column()?.context("a column for each")?;
            waiting.write(&mut column)?;
            column.close()?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

impl Rows for Parquet {
    fn row(&mut self, row: Vec<Cell>) -> anyhow::Result<()> {
        for (waiting, cell) in self.columns.iter_mut().zip(row) {
            if let Cell::Text(it) = &cell {
                self.bytes += it.len();
            }
            waiting.add(cell)?;
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS_MAX || self.bytes >= GROUP_BYTES_MAX {
            self.write_group()?;
        }
        Ok(())
    }

    fn end(mut self: Box<Self>, control: &[Control]) -> anyhow::Result<()> {
        if self.rows > 0 {
            self.write_group()?;
        }
        for it in control {
            let fact = KeyValue::new(format!("{PREFIX}{}", it.key), it.value.clone());
            self.file.append_key_value_metadata(fact);
        }
        self.file.close()?;
        Ok(())
    }
}

fn field(column: &Column) -> anyhow::Result<Arc<Type>> {
    let (physical, logical) = match column.kind {
        Kind::Whole => (Physical::INT64, None),
        Kind::Decimal { scale } => {
            let logical = LogicalType::decimal(i32::try_from(scale)?, PRECISION);
            (Physical::INT64, Some(logical))
        }
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Date => (Physical::INT32, Some(LogicalType::Date)),
        Kind::Time => {
            let logical = LogicalType::timestamp(true, TimeUnit::MICROS);
            (Physical::INT64, Some(logical))
        }
        Kind::Truth => (Physical::BOOLEAN, None),
    };
    let mut field = Type::primitive_type_builder(&column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    if let Kind::Decimal { scale } = column.kind {
        let scale = i32::try_from(scale)?;
        field = field.with_precision(PRECISION).with_scale(scale);
    }
    Ok(Arc::new(field.build()?))
}

impl Waiting {
    fn of(kind: Kind) -> Waiting {
        let values = match kind {
            Kind::Whole | Kind::Decimal { .. } | Kind::Time => Values::Int64(Vec::new()),
            Kind::Date => Values::Int32(Vec::new()),
            Kind::Text => Values::Bytes(Vec::new()),
            Kind::Truth => Values::Truth(Vec::new()),
        };
        Waiting {
            kind,
            values,
            levels: Vec::new(),
        }
    }

    fn add(&mut self, cell: Cell) -> anyhow::Result<()> {
        self.levels.push(i16::from(cell != Cell::Nothing));
        match (&mut self.values, cell) {
            (_, Cell::Nothing) => {}
            (Values::Int64(values), Cell::Whole(it)) => values.push(it),
            (Values::Int64(values), Cell::Time(it)) => values.push(it.timestamp_micros()),
            (Values::Int64(values), Cell::Decimal(it)) => values.push(self.kind.unscaled(it)?),
            (Values::Int32(values), Cell::Date(it)) => values.push(days_since_1970(it)),
            (Values::Bytes(values), Cell::Text(it)) => {
                values.push(ByteArray::from(it.into_bytes()));
            }
            (Values::Truth(values), Cell::Truth(it)) => values.push(it),
            (_, cell) => bail!("{cell:?} is not of its column's type, {:?}", self.kind),
        }
        Ok(())
    }

    fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> anyhow::Result<()> {
        let levels = Some(&self.levels[..]);
        match &mut self.values {
            Values::Int64(values) => {
                column
                    .typed::<Int64Type>()
                    .write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Int32(values) => {
                column
                    .typed::<Int32Type>()
                    .write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Bytes(values) => {
                column
                    .typed::<ByteArrayType>()
                    .write_batch(values, levels, None)?;
                values.clear();
            }
            Values::Truth(values) => {
                column
                    .typed::<BoolType>()
                    .write_batch(values, levels, None)?;
                values.clear();
            }
        }
        self.levels.clear();
        Ok(())
    }
}

impl Kind {
    /// The integer that stands for a decimal. Nothing is rounded.
    fn unscaled(self, number: rust_decimal::Decimal) -> anyhow::Result<i64> {
        let Kind::Decimal { scale } = self else {
            bail!("{number} is not of its column's type, {self:?}");
        };
        let mut scaled = number;
        scaled.rescale(scale);
        let digits = i64::try_from(scaled.mantissa()).ok();
        let digits = digits.filter(|it| it.unsigned_abs() < 10_u64.pow(PRECISION.unsigned_abs()));
        let exact = digits.filter(|_| scaled == number);
        exact
            .with_context(|| format!("number_too_large: {number} has more than {PRECISION} digits"))
    }
}

fn days_since_1970(day: NaiveDate) -> i32 {
    const OF_1970: i32 = 719_163;
    day.num_days_from_ce() - OF_1970
}
