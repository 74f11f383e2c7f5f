//! The people who must not be seen, the files they stand in, and the eye that looks for them.

use domain::PersonName;

pub const REGISTRY: &str = "\
citizen_number,full_name,birth_date,sex,province,programme,granted_amount,category,household
001148770911,Hoàng Yến Hót,12/05/1948,nữ,01,HTXH,,,
079050770922,Sơn Ca Bản,03/04/1950,nam,79,HTXH,,,
001149770933,Vành Khuyên Lạ,1949,nữ,40,HTXH,,,
";

/// The third person has no account and gets cash.
pub const LINKS: &str = "\
citizen_number,institution,account_number,holder_name
001148770911,970436,77003100445566,HOANG YEN HOT
079050770922,971005,0987700933,SON CA BAN
";

/// Each row is wrong in another way, and each has something of somebody in it.
pub const REFUSED_REGISTRY: &str = "\
citizen_number,full_name,birth_date,sex,province,programme,granted_amount,category,household
001148770944,Họa Mi Hay,12/05/1948,nam,01,HTXH,,,
001148770945,Họa Mi Hay 7,12/05/1948,nữ,01,HTXH,,,
00114877094O,Họa Mi Hay,12/05/1948,nữ,01,HTXH,,,
001148770911,Họa Mi Hay,12/05/1948,nữ,01,HTXH,,,
001148770946,Họa Mi Hay,31/02/1948,nữ,01,HTXH,,,
001148770946,Họa Mi Hay,12/05/1948,nữ,01,HTXH,,Họa Mi Hay,
001148770946,Họa Mi Hay,12/05/1948,nữ,01,HTXH,,,Họa Mi Hay
001148770946,Họa Mi Hay,12/05/1948,nữ,01,001148770946,,,
001148770946,Họa Mi Hay,12/05/1948,nữ,001148770946,HTXH,,,
001148770946,Họa Mi Hay,12/05/1948,Họa Mi Hay,01,HTXH,,,
001148770946,Họa Mi Hay,12/05/1948,nữ,01,LUONG_HUU,7700 3100 445599,,
001148770946,Họa Mi Hay,12/05/1948,nữ
001148770946,\"Họa Mi Hay,12/05/1948,nữ,01,HTXH,,,
";

pub const REFUSED_LINKS: &str = "\
citizen_number,institution,account_number,holder_name
001148770946,970436,77003100445599,HOA MI HAY
001148770911,970436,7700 3100 445599,HOA MI HAY
001148770911,970436,77003100445599,HOA MI HAY 7
001148770911,77003100445599,77003100445599,HOA MI HAY
001148770911,970436,77003100445599
001148770911,970436,77003100445591,HOA MI HAY
001148770911,970436,77003100445592,HOA MI HAY
";

/// Nobody here is in the registry, or nothing is an event.
pub const REFUSED_EVENTS: &str = "\
event_id,citizen_number,kind,happened_on,revokes
E1,001148770946,death,01/11/2026,
E2,00114877094O,death,01/11/2026,
E3,001148770911,Họa Mi Hay,01/11/2026,
E4,001148770911,death,Họa Mi Hay,
E5,001148770911,death,77003100445599,
Họa Mi Hay,001148770911,death,01/11/2026,
,001148770911,,,001148770946
,001148770911,,,Họa Mi Hay
";

/// What must not be seen: the people above, in each spelling that anybody may write.
fn canaries() -> Vec<String> {
    let names = [
        "Hoàng Yến Hót",
        "Sơn Ca Bản",
        "Vành Khuyên Lạ",
        "Họa Mi Hay",
    ];
    // Long enough that no hash or UUID has them by chance.
    let numbers = [
        "0011487709",
        "0790507709",
        "0011497709",
        "770031004455",
        "0987700933",
        "7700 3100 4455",
    ];
    let plain = names.map(PersonName::bank_form_of);
    let all = names.map(str::to_owned).into_iter().chain(plain);
    all.chain(numbers.map(str::to_owned)).collect()
}

/// The canaries that stand in a text, whatever their capitals.
pub fn seen_in(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let seen = canaries().into_iter();
    seen.filter(|it| text.contains(&it.to_lowercase()))
        .collect()
}

#[track_caller]
pub fn not_seen_in(place: &str, text: &str) {
    let seen = seen_in(text);
    let line = text.lines().find(|it| !seen_in(it).is_empty());
    assert!(
        seen.is_empty(),
        "{place} shows {seen:?}: {}",
        line.unwrap_or_default()
    );
}
