//! What is told of a refused row, in Vietnamese.

/// Empty for a code that has no sentence of its own.
pub(super) fn vietnamese(code: &str) -> &'static str {
    let found = SENTENCES.iter().find(|(it, _)| *it == code);
    found.map_or("", |(_, sentence)| sentence)
}

const SENTENCES: [(&str, &str); 45] = [
    (
        "amount_invalid",
        "Số tiền gồm 1 đến 18 chữ số, tính bằng đồng, không dấu, không phần lẻ",
    ),
    (
        "amount_not_expected",
        "Chương trình này không khai mức hưởng; để trống ô",
    ),
    ("amount_zero", "Mức hưởng phải lớn hơn 0 đồng"),
    ("birth_date_future", "Ngày sinh ở trong tương lai"),
    (
        "birth_date_invalid",
        "Ngày sinh ghi dd/mm/yyyy, hoặc yyyy nếu chỉ biết năm",
    ),
    (
        "category_invalid",
        "Diện hưởng không thuộc danh mục của chương trình",
    ),
    (
        "cell_boolean",
        "Ô chứa giá trị logic; định dạng cột là văn bản rồi ghi true hoặc false",
    ),
    ("cell_error", "Ô chứa lỗi của công thức; ghi chính giá trị"),
    ("cell_formula", "Ô chứa công thức; ghi chính giá trị"),
    (
        "cell_not_text",
        "Ô lưu dạng số nên mất chữ số; định dạng cột là văn bản rồi ghi đủ các chữ số",
    ),
    ("cell_time", "Ô có cả giờ; chỉ ghi ngày"),
    (
        "citizen_number_birth_year",
        "Số định danh không khớp năm sinh",
    ),
    ("citizen_number_character", "Số định danh chỉ gồm chữ số"),
    ("citizen_number_length", "Số định danh gồm đúng 12 chữ số"),
    (
        "citizen_number_province",
        "Ba chữ số đầu của số định danh không phải mã nơi khai sinh",
    ),
    ("citizen_number_sex", "Số định danh không khớp giới tính"),
    (
        "commune_invalid",
        "Mã xã, phường, đặc khu gồm đúng 5 chữ số, kể cả các số 0 ở đầu",
    ),
    (
        "commune_of_other_province",
        "Xã, phường, đặc khu này thuộc tỉnh khác",
    ),
    (
        "commune_unknown",
        "Không có mã xã, phường, đặc khu này từ ngày 01/07/2025",
    ),
    ("columns_invalid", "Số ô của dòng khác số cột của tiêu đề"),
    (
        "duplicate_differs",
        "Tệp ghi người này hai lần trong một chương trình với thông tin khác nhau",
    ),
    ("encoding_invalid", "Dòng không phải UTF-8"),
    ("event_differs", "Mã sự kiện này đã ghi với nội dung khác"),
    (
        "event_empty",
        "Dòng không ghi sự kiện nào và không hủy sự kiện nào",
    ),
    (
        "event_id_invalid",
        "Mã sự kiện gồm 1 đến 64 chữ cái không dấu, chữ số và các dấu . _ : / -",
    ),
    ("event_unknown", "Loại sự kiện không có trong danh mục"),
    ("fact_code_unknown", "Giá trị không thuộc danh mục"),
    ("fact_invalid", "Giá trị không đúng kiểu của cột"),
    (
        "fact_not_expected",
        "Chương trình này không dùng thông tin của cột; để trống ô",
    ),
    ("happened_on_future", "Sự kiện ở trong tương lai"),
    (
        "happened_on_invalid",
        "Ngày xảy ra ghi dd/mm/yyyy hoặc yyyy-mm-dd",
    ),
    (
        "household_invalid",
        "Hộ là poor (nghèo), near_poor (cận nghèo) hoặc để trống",
    ),
    (
        "identity_conflict",
        "Số định danh này đã có với họ tên, ngày sinh hoặc giới tính khác",
    ),
    ("line_too_long", "Dòng dài quá 16 KiB"),
    ("name_invalid", "Họ tên gồm các từ cách nhau một dấu cách"),
    ("name_not_nfc", "Họ tên không ở dạng Unicode dựng sẵn (NFC)"),
    ("person_unknown", "Số định danh này chưa có trong danh sách"),
    (
        "place_not_expected",
        "Chỉ sự kiện chuyển nơi cư trú ghi nơi ở mới; để trống ô",
    ),
    ("programme_unknown", "Không có chương trình này"),
    (
        "province_unknown",
        "Không có mã tỉnh này; mã tỉnh gồm hai chữ số",
    ),
    ("quote_open", "Dấu ngoặc kép không được đóng"),
    ("residence_differs", "Tệp ghi người này ở hai nơi khác nhau"),
    ("revokes_unknown", "Không có sự kiện mang mã bị hủy"),
    ("sex_invalid", "Giới tính ghi nam hoặc nữ"),
    (
        "valid_from_invalid",
        "Ngày bắt đầu ghi dd/mm/yyyy hoặc yyyy-mm-dd",
    ),
];
