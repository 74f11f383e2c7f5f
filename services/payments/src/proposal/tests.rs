use super::*;

fn officer(name: &str) -> Officer {
    name.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn lent(principal: &str, delegate: &str, starts: &str, ends: &str) -> Proposed {
    Proposed::Delegation {
        principal: officer(principal),
        delegate: officer(delegate),
        starts_at: at(starts),
        ends_at: at(ends),
    }
}

fn code(result: Result<(), Error>) -> String {
    result.map_or_else(|it| Problem::from(it).code, |()| "done".to_owned())
}

#[test]
fn what_nobody_could_accept_is_refused() {
    let level = |approvals| Proposed::ApprovalLevel {
        from_total: Money::dong(1),
        approvals,
    };
    let limit = |limit, block| Proposed::GuardLimit {
        guard: Guard::ManyStopped,
        limit,
        block,
    };
    let (noon, later) = ("2026-12-01T05:00:00Z", "2026-12-05T05:00:00Z");
    for (proposed, expected) in [
        (level(1), "done"),
        (level(9), "done"),
        (level(0), "approvals_invalid"),
        (level(10), "approvals_invalid"),
        (limit(1, None), "done"),
        (limit(0, Some(0)), "done"),
        (limit(-1, None), "limit_invalid"),
        (limit(2, Some(1)), "limit_invalid"),
        (lent("le.binh", "do.giang", noon, later), "done"),
        (
            lent("do.giang", "le.binh", noon, later),
            "not_the_principal",
        ),
        (
            lent("le.binh", "le.binh", noon, later),
            "delegation_invalid",
        ),
        (
            lent("le.binh", "do.giang", later, noon),
            "delegation_invalid",
        ),
        (
            lent(
                "le.binh",
                "do.giang",
                "2026-11-01T00:00:00Z",
                "2026-11-02T00:00:00Z",
            ),
            "delegation_invalid",
        ),
        (
            lent("le.binh", "do.giang", noon, "2027-12-03T05:00:00Z"),
            "delegation_invalid",
        ),
    ] {
        let told = proposed.allow(&officer("le.binh"), at(noon));
        assert_eq!(code(told), expected, "{proposed}");
    }
}

#[test]
fn a_proposal_is_decided_once_and_by_nobody_whom_it_concerns() {
    let mut proposal = Proposal {
        proposal_no: 3,
        proposed: lent(
            "le.binh",
            "do.giang",
            "2026-12-01T00:00:00Z",
            "2026-12-05T00:00:00Z",
        ),
        maker: officer("le.binh"),
        reason: "nghỉ phép".to_owned(),
        decided_by: None,
    };
    for (by, expected) in [
        ("le.binh", "same_person"),
        ("do.giang", "same_person"),
        ("tran.chi", "done"),
    ] {
        assert_eq!(code(proposal.allow_decision(&officer(by))), expected);
    }
    proposal.decided_by = Some(officer("vo.hoa"));
    let told = proposal.allow_decision(&officer("tran.chi"));
    assert_eq!(code(told), "proposal_decided");
}

#[test]
fn the_text_of_a_decision_is_a_promise() {
    let decision = Decision {
        proposal_no: 3,
        proposed: Proposed::ApprovalLevel {
            from_total: Money::dong(5_000_000),
            approvals: 2,
        },
        maker: officer("le.binh"),
        reason: "QĐ 12/2026".to_owned(),
        is_accepted: true,
        officer: officer("tran.chi"),
    };
    let text = "An Sinh · chấp thuận đề nghị · v1\nĐề nghị số: 3\n\
        Nội dung: từ 5.000.000 đồng (Năm triệu đồng) cần 2 người phê duyệt\n\
        Căn cứ: QĐ 12/2026\nNgười đề nghị: le.binh\nNgười ký: tran.chi\n";
    assert_eq!(decision.to_string(), text);
    let lent = lent(
        "le.binh",
        "do.giang",
        "2026-12-01T00:00:00Z",
        "2026-12-05T17:00:00Z",
    );
    assert_eq!(
        lent.to_string(),
        "le.binh uỷ quyền cho do.giang từ 01/12/2026 07:00:00 đến 06/12/2026 00:00:00"
    );
    let recovery = Proposed::Recovery {
        case_no: 7,
        decision_no: "45/QĐ-BHXH".to_owned(),
        decided_on: "2026-11-20".parse().unwrap(),
        amount: Money::dong(540_000),
        way: Way::Net {
            monthly: Money::dong(150_000),
        },
    };
    assert_eq!(
        recovery.to_string(),
        "thu hồi 540.000 đồng (Năm trăm bốn mươi nghìn đồng) chi không đúng, hồ sơ 7, theo \
         quyết định 45/QĐ-BHXH ngày 20/11/2026: khấu trừ 150.000 đồng mỗi tháng"
    );
    let write_off = Proposed::WriteOff {
        case_no: 7,
        amount: Money::dong(1_000),
        basis: "BB 3/2026".to_owned(),
    };
    assert_eq!(
        write_off.to_string(),
        "xoá nợ 1.000 đồng (Một nghìn đồng) chi không đúng, hồ sơ 7, theo BB 3/2026"
    );
    let cap = Proposed::NettingCap {
        percent: 20,
        valid_from: "2027-01-01".parse().unwrap(),
    };
    assert_eq!(
        cap.to_string(),
        "khấu trừ mỗi tháng tối đa 20 % mức hưởng từ 01/01/2027"
    );
}

#[test]
fn what_is_decided_on_money_outside_of_runs_names_its_receipt() {
    let receipt = Receipt {
        institution: "970436".parse().unwrap(),
        reference: "GNT-88".to_owned(),
        paid_on: "2026-11-20".parse().unwrap(),
    };
    let repayment = Proposed::Repayment {
        case_no: 7,
        amount: Money::dong(1_000),
        receipt: receipt.clone(),
    };
    assert_eq!(
        repayment.to_string(),
        "ghi nhận 1.000 đồng (Một nghìn đồng) đã hoàn trả, hồ sơ 7, tại 970436 Vietcombank, \
         chứng từ GNT-88 ngày 20/11/2026"
    );
    let give_back = |amount, receipt: &Receipt| Proposed::GiveBack {
        exception_no: 9,
        amount: Money::dong(amount),
        receipt: receipt.clone(),
    };
    assert_eq!(
        give_back(1_000, &receipt).to_string(),
        "ghi nhận 1.000 đồng (Một nghìn đồng) thu hồi thừa đã trả lại người hưởng, ngoại lệ 9, \
         tại 970436 Vietcombank, chứng từ GNT-88 ngày 20/11/2026"
    );
    let stands = |basis: &str| Proposed::FirstAnswer {
        line: "R000001-07-0001-0042".parse().unwrap(),
        status: ResultStatus::Rejected,
        basis: basis.to_owned(),
    };
    assert_eq!(
        stands("CV 12/VCB").to_string(),
        "giữ nguyên kết quả đầu tiên của khoản chi R000001-07-0001-0042: không chi được, theo \
         CV 12/VCB"
    );
    let of = |reference: &str, institution: &str, paid_on: &str| Receipt {
        institution: institution.parse().unwrap(),
        reference: reference.to_owned(),
        paid_on: paid_on.parse().unwrap(),
    };
    for (proposed, expected) in [
        (repayment, "done"),
        (give_back(1, &receipt), "done"),
        (give_back(0, &receipt), "amount_zero"),
        (
            give_back(1, &of(" ", "970436", "2026-11-20")),
            "reference_invalid",
        ),
        (
            give_back(1, &of("GNT", "999999", "2026-11-20")),
            "institution_unknown",
        ),
        (
            give_back(1, &of("GNT", "970436", "2026-12-02")),
            "paid_on_invalid",
        ),
        (stands("CV"), "done"),
        (stands("\n"), "basis_invalid"),
    ] {
        let told = proposed.allow(&officer("le.binh"), at("2026-12-01T05:00:00Z"));
        assert_eq!(code(told), expected, "{proposed}");
    }
}
