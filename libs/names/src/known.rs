//! Names that many people bear, without their marks.
//!
//! They are syllables of the language, not people. Which of two spellings is a slip cannot be
//! told where both are names: LAN and LAM are sisters more often than they are one person.

use domain::Letter;

use crate::words::Role;

/// True where both are common names of people in the role, so that neither is a misspelling.
pub(crate) fn both_are_names(role: Role, one: &[Letter], other: &[Letter]) -> bool {
    let known = |list: &[&str], word: &[Letter]| {
        let letters = |it: &&str| it.chars().cmp(word.iter().map(|it| it.plain));
        list.binary_search_by(letters).is_ok()
    };
    let both = |lists: &[&[&str]]| {
        [one, other]
            .iter()
            .all(|word| lists.iter().any(|list| known(list, word)))
    };
    match role {
        Role::Family => both(&[FAMILY_NAMES]),
        Role::Given => both(&[GIVEN_NAMES]),
        Role::Either => both(&[FAMILY_NAMES, GIVEN_NAMES]),
        Role::Middle => false,
    }
}

/// Family names of Kinh people and of other peoples, sorted.
const FAMILY_NAMES: &[&str] = &[
    "AN", "AU", "AYUN", "BACH", "BAN", "BE", "BO", "BON", "BUI", "CAN", "CAO", "CHANG", "CHAO",
    "CHAU", "CHE", "CHIEM", "CHU", "CHUNG", "CHUONG", "CO", "CU", "CUNG", "DAM", "DANG", "DANH",
    "DAO", "DAU", "DEO", "DIEP", "DIEU", "DINH", "DO", "DOAN", "DONG", "DU", "DUONG", "DUY",
    "GIANG", "GIAP", "HA", "HAN", "HANG", "HAU", "HO", "HOA", "HOANG", "HONG", "HUA", "HUYNH",
    "KHONG", "KHU", "KHUAT", "KHUC", "KHUONG", "KIEN", "KIEU", "KIM", "KPA", "KSOR", "KY", "LA",
    "LAC", "LAI", "LAM", "LANG", "LAU", "LE", "LIEN", "LIEU", "LO", "LOC", "LOI", "LONG", "LU",
    "LUC", "LUONG", "LUU", "LUYEN", "LY", "MA", "MAC", "MAI", "MAU", "MIEU", "MLO", "MO", "MONG",
    "MUA", "MUONG", "NGAN", "NGHE", "NGHIEM", "NGO", "NGUY", "NGUYEN", "NHAM", "NHAN", "NHU",
    "NIE", "NINH", "NONG", "ONG", "PHAM", "PHAN", "PHANG", "PHI", "PHO", "PHU", "PHUNG", "PHUONG",
    "QUACH", "QUAN", "QUANG", "SAM", "SAN", "SON", "SUNG", "TA", "TAN", "TANG", "TAT", "THACH",
    "THAI", "THAN", "THANG", "THANH", "THAO", "THI", "THIEU", "TIEN", "TIET", "TIEU", "TO", "TON",
    "TONG", "TRA", "TRAC", "TRAN", "TRANG", "TRI", "TRIEU", "TRINH", "TRUNG", "TRUONG", "TU",
    "TUNG", "TUONG", "UNG", "UONG", "VAN", "VANG", "VAY", "VI", "VIEM", "VIEN", "VINH", "VO",
    "VONG", "VU", "VUONG", "VUU", "XA", "YEN",
];

/// Given names, sorted.
const GIVEN_NAMES: &[&str] = &[
    "AI", "AN", "ANH", "AT", "BA", "BAC", "BACH", "BANG", "BAO", "BAY", "BE", "BEN", "BEP", "BHAM",
    "BIA", "BICH", "BIEN", "BINH", "BLEN", "BLIU", "BLO", "BONG", "BUOI", "CAM", "CAN", "CANH",
    "CAP", "CAY", "CHANH", "CHAT", "CHAU", "CHE", "CHI", "CHIA", "CHIEN", "CHIN", "CHINH", "CHU",
    "CHUC", "CHUNG", "CHUONG", "CHUT", "CHUYEN", "CHUYNH", "CO", "CON", "CONG", "CU", "CUC",
    "CUONG", "DA", "DAC", "DAI", "DAN", "DANG", "DAO", "DARA", "DAT", "DAU", "DE", "DEP", "DHAM",
    "DI", "DIEM", "DIEN", "DIEP", "DIEU", "DINH", "DJU", "DO", "DOAN", "DONG", "DU", "DUA", "DUC",
    "DUNG", "DUOC", "DUONG", "DUY", "DUYEN", "EN", "GAI", "GAM", "GIA", "GIANG", "GIAP", "HA",
    "HAC", "HAI", "HAN", "HANG", "HANH", "HAO", "HAU", "HEN", "HIEN", "HIEP", "HIEU", "HOA",
    "HOAI", "HOAN", "HOANG", "HOAT", "HOC", "HOE", "HOI", "HONG", "HOP", "HUAN", "HUE", "HUNG",
    "HUONG", "HUU", "HUY", "HUYEN", "HUYNH", "KA", "KHA", "KHAI", "KHANG", "KHANH", "KHENH",
    "KHIEM", "KHIET", "KHOA", "KHOI", "KHUE", "KHUONG", "KHUYEN", "KIEM", "KIEN", "KIET", "KIEU",
    "KIM", "KON", "KY", "LAC", "LAI", "LAM", "LAN", "LANH", "LAP", "LAU", "LE", "LICH", "LIEM",
    "LIEN", "LIEP", "LIEU", "LINH", "LOAN", "LOC", "LOI", "LON", "LONG", "LU", "LUA", "LUAN",
    "LUC", "LUONG", "LUU", "LUYEN", "LUYNH", "LY", "MAI", "MAN", "MANH", "MAO", "MAU", "MEN", "MI",
    "MIEN", "MINH", "MO", "MOL", "MONE", "MUA", "MUI", "MUNG", "MUOI", "MUOT", "MY", "NA", "NAM",
    "NGA", "NGAM", "NGAN", "NGHI", "NGHIA", "NGHIEM", "NGO", "NGOAN", "NGOC", "NGOI", "NGONG",
    "NGUNG", "NGUYEN", "NGUYET", "NHA", "NHAI", "NHAM", "NHAN", "NHAT", "NHI", "NHIEU", "NHO",
    "NHON", "NHU", "NHUNG", "NI", "NINH", "NU", "NUOI", "NUON", "NUONG", "NY", "OANH", "PA", "PAO",
    "PHAI", "PHAN", "PHAT", "PHI", "PHIA", "PHIEN", "PHOL", "PHONG", "PHU", "PHUC", "PHUNG",
    "PHUOC", "PHUONG", "PO", "QUAN", "QUANG", "QUE", "QUI", "QUOC", "QUY", "QUYEN", "QUYET",
    "QUYNH", "RANG", "RANH", "RAY", "RINH", "RON", "RUONE", "SAM", "SAN", "SANG", "SAU", "SAY",
    "SEN", "SI", "SIM", "SINH", "SO", "SOI", "SON", "SUA", "SUONE", "SUONG", "SUU", "TAC", "TAI",
    "TAM", "TAN", "TAO", "TAY", "THACH", "THAI", "THAM", "THAN", "THANG", "THANH", "THAO", "THE",
    "THEN", "THEU", "THI", "THIA", "THIEN", "THIEP", "THIN", "THINH", "THO", "THOA", "THOAI",
    "THOAN", "THOM", "THONG", "THU", "THUAN", "THUAT", "THUC", "THUONG", "THUOT", "THUY", "THUYEN",
    "THUYET", "THY", "TIEM", "TIEN", "TIEP", "TIEU", "TIN", "TINH", "TO", "TOAI", "TOAN", "TRA",
    "TRAM", "TRAN", "TRANG", "TRI", "TRIEN", "TRIET", "TRIEU", "TRINH", "TRONG", "TRUC", "TRUNG",
    "TRUONG", "TU", "TUA", "TUAN", "TUAT", "TUC", "TUE", "TUNG", "TUONG", "TUY", "TUYEN", "TUYET",
    "TY", "UNG", "UOC", "UT", "UYEN", "UYNH", "VA", "VAN", "VANG", "VE", "VI", "VIEN", "VIENG",
    "VIET", "VINH", "VO", "VOC", "VOL", "VONG", "VU", "VUI", "VUONG", "VY", "WANG", "WUN", "XA",
    "XIA", "XINH", "XOAN", "XUAN", "XUONG", "XUYEN", "Y", "YAR", "YEM", "YEN", "YENG", "YON",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_as_the_search_needs_it() {
        for list in [FAMILY_NAMES, GIVEN_NAMES] {
            assert!(list.is_sorted_by(|one, next| one < next));
        }
    }

    #[test]
    fn a_name_is_known_in_its_role() {
        let word = |text: &str| Letter::all_of(text).collect::<Vec<_>>();
        let both = |role, one: &str, other: &str| both_are_names(role, &word(one), &word(other));
        assert!(both(Role::Given, "Lan", "LAM"));
        assert!(both(Role::Family, "Vũ", "Võ"));
        assert!(!both(Role::Family, "Trần", "TRAM"));
        assert!(both(Role::Either, "Trần", "TRAM"));
        assert!(!both(Role::Given, "Tuấn", "TUAM"));
        assert!(!both(Role::Middle, "Lan", "LAM"));
    }
}
