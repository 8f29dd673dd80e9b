"""Notices in Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from api.notices.words import Language, Words

_WEEKDAYS = "一二三四五六日"
_MOST_DATES = 12


def _short(day: date) -> str:
    return f"{day.month}月{day.day}日（周{_WEEKDAYS[day.weekday()]}）"


def _date(day: date) -> str:
    return f"{day.year}年{_short(day)}"


def _moment(at: datetime) -> str:
    return f"{_date(at)}{at:%H:%M}"


def _span(start: datetime, end: datetime) -> str:
    return f"{_moment(start)} 至 {_short(end)}{end:%H:%M}"


def _dates(days: Sequence[date]) -> str:
    told = "、".join(_date(day) for day in days[:_MOST_DATES])
    return told + (f"，另有 {len(days) - _MOST_DATES} 天" if len(days) > _MOST_DATES else "")


_TERM = ("期限：{first} 至 {last}。",)
_DATES = (
    ("处于您这一位次的家庭，半数在 {half_by} 前、九成在 {most_by} 前轮到。",),
    ("最早 {not_before}。目前还不能给出更准确的日期：{why}。", "最早 {not_before}。"),
)
_INSTEAD = (
    "已为您另行安排：{new_facility}，步行 {walk}。",
    "已为您另行安排：{new_facility}。",
)
_AGAIN = ("{next} 之后的时段您可以重新申请。",)
_NOTE = ("请留意日期：{next}。",)

_KINDS = {
    "leave_soon": Words(
        ("请尽快驶离{facility}", "请尽快驶离泊位"),
        (("您在{facility}的停放即将到时：{span}。", "您的停放即将到时。"),),
        ("请在 {next} 前驶离。",),
    ),
    "stay_withdrawn": Words(
        ("{facility}的泊位已被收回", "您的泊位已被收回"),
        (
            ("{facility}的权属单位收回了您这次停放的泊位：{span}。", "权属单位收回了您的泊位。"),
            ("如车辆仍停在该处，请于 {leave_by} 前驶离。",),
            _INSTEAD,
            ("{refund} 无需缴纳；如已计收，将记入您的账户。",),
        ),
        ("涉及的停放日期：{next}。",),
    ),
    "application_received": Words(
        ("申请已收到：{round}", "您的申请已收到"),
        (("您对“{round}”的申请已收到。", "您的申请已收到。"),),
        ("最迟 {next} 告知结果。",),
    ),
    "application_changed": Words(
        ("申请已修改：{round}", "您的申请已修改"),
        (("您对“{round}”的申请已修改。", "您的申请已修改。"),),
        ("最迟 {next} 告知结果。",),
    ),
    "application_withdrawn": Words(
        ("申请已撤回：{round}", "您的申请已撤回"),
        (("您对“{round}”的申请已撤回。", "您的申请已撤回。"),),
        ("{next} 前可以恢复申请。",),
    ),
    "application_refused": Words(
        ("{round}未能配位", "您的申请未能配位"),
        (("您对“{round}”的申请未能配位。", "您的申请未能配位。"),),
        ("您可以参加下一批次的申请。请留意日期：{next}。",),
    ),
    "round_closed": Words(
        ("{round}已截止", "申请已截止"),
        (("“{round}”的申请已截止，正在分配泊位。", "申请已截止。"),),
        ("最迟 {next} 告知结果。",),
    ),
    "round_late": Words(
        ("{round}结果延迟公布", "结果延迟公布"),
        (
            ("“{round}”的结果原定于 {expected} 公布，目前尚未公布。", "结果目前尚未公布。"),
            ("您的申请继续有效。",),
        ),
        ("最迟 {next} 再次告知您。",),
    ),
    "offer_made": Words(
        ("为您配位：{facility}", "为您配到泊位"),
        (
            ("为您配到{facility}的泊位，步行 {walk}。", "为您配到{facility}的泊位。", "为您配到一个泊位。"),
            _TERM,
            ("押金 {deposit}，许可生效时计收，终止后退还。",),
        ),
        ("请在 {next} 前接受或放弃，逾期将配给下一户。",),
    ),
    "offer_reminder": Words(
        ("{facility}的配位即将到期", "您的配位即将到期"),
        (("您还没有答复{facility}的配位通知。", "您还没有答复配位通知。"),),
        ("请在 {next} 前接受或放弃，逾期将配给下一户。",),
    ),
    "offer_accepted": Words(
        ("已接受：{facility}的泊位", "您已接受泊位"),
        (("您已接受{facility}的泊位。", "您已接受泊位。"), _TERM),
        ("首个停放夜：{next}。",),
    ),
    "offer_declined": Words(
        ("已放弃：{facility}的泊位", "您已放弃配位"),
        (("您已放弃{facility}的泊位，将配给下一户。", "您已放弃配位。"),),
        _AGAIN,
    ),
    "offer_lapsed": Words(
        ("{facility}的配位已失效", "您的配位已失效"),
        (("{facility}的配位通知逾期未答复，泊位将配给下一户。", "配位通知逾期未答复，泊位将配给下一户。"),),
        _AGAIN,
    ),
    "offer_withdrawn": Words(
        ("{facility}的配位已取消", "您的配位已取消"),
        (("为您配到的{facility}的泊位已不再为您保留。", "为您配到的泊位已不再为您保留。"), _INSTEAD),
        ("涉及 {next} 起的夜次。",),
    ),
    "waitlisted": Words(
        ("您已进入{round}轮候", "您已进入轮候"),
        (
            ("“{round}”暂时没有适合您的泊位，您已进入轮候。", "暂时没有适合您的泊位，您已进入轮候。"),
            ("轮候序号：{position}。",),
            *_DATES,
        ),
        ("轮候有效至 {next}。",),
    ),
    "date_changed": Words(
        ("轮候预计日期有变化",),
        (("您在“{round}”轮候中的预计日期有变化。", "您的轮候预计日期有变化。"), ("轮候序号：{position}。",), *_DATES),
        _NOTE,
    ),
    "waitlist_left": Words(
        ("您已退出{round}轮候", "您已退出轮候"),
        (("您已不在“{round}”的轮候中。", "您已不在轮候中。"),),
        _AGAIN,
    ),
    "permit_changed": Words(
        ("{facility}的停车资格有变化", "您的停车资格有变化"),
        (
            ("您在{facility}的停车资格有变化。", "您的停车资格有变化。"),
            ("变化内容：{what}。",),
            ("增加的夜次：{nights_added}。",),
            ("取消的夜次：{nights_removed}。",),
            ("驶离时限变化：{leave_by}。",),
            ("在同一地点改用其他泊位的夜次：{other_bay_on}。",),
            ("逐次安排的夜次：{single_nights}。",),
            ("没有泊位的夜次：{without_bay}。",),
        ),
        ("自 {next} 起生效。",),
    ),
    "permit_moved": Words(
        ("停车资格改至{new_facility}", "您的停车资格改换地点"),
        (
            (
                "您在{facility}的夜次改至{new_facility}，步行 {walk}。",
                "您在{facility}的夜次改至{new_facility}。",
                "您在{facility}的夜次改换地点。",
                "您的夜次改换地点。",
            ),
            _TERM,
            ("驶离时限：{leave_by}。",),
            ("逐次安排的夜次：{single_nights}。",),
            ("没有泊位的夜次：{without_bay}。",),
        ),
        ("在新地点的首个夜晚：{next}。",),
    ),
    "permit_suspended": Words(
        ("{facility}的停车资格暂停", "您的停车资格暂停"),
        (("您在{facility}的停车资格暂停。", "您的停车资格暂停。"), ("期限：{first} 至 {last}。", "{span}。")),
        _NOTE,
    ),
    "permit_ended": Words(
        ("{facility}的停车资格终止", "您的停车资格终止"),
        (
            ("您在{facility}的停车资格终止。", "您的停车资格终止。"),
            ("驶离时限：{leave_by}。",),
            ("逐次安排的夜次：{single_nights}。",),
        ),
        _NOTE,
    ),
    "term_ending": Words(
        ("{facility}的停车资格即将到期", "您的停车资格即将到期"),
        (
            ("您在{facility}的停车资格即将到期。", "您的停车资格即将到期。"),
            ("如需继续停放，请重新申请；现有泊位会作为有利因素。",),
        ),
        _NOTE,
    ),
    "nights_given_back": Words(
        ("夜次已让出",),
        (
            ("您让出了{facility}的夜次，停车资格不变。", "您让出了夜次，停车资格不变。"),
            ("期限：{first} 至 {last}。", "{dates}。"),
        ),
        ("{next} 起泊位恢复由您使用。",),
    ),
    "overstay": Words(
        ("请立即驶离{facility}", "您的车辆已超时"),
        (
            ("您在{facility}的停放已结束：{span}。", "您在{facility}的停放已结束。", "您的停放已结束。"),
            ("应驶离时间：{leave_by}。",),
            ("早晨泊位另有他用，请立即驶离。",),
        ),
        _NOTE,
    ),
    "strike": Words(
        ("超时停放：记违约一次",),
        (
            ("因车辆未按时驶离{facility}，记违约一次。", "因车辆未按时驶离，记违约一次。"),
            ("应于 {leave_by} 前驶离，超时 {late}。", "超时 {late}。"),
            ("目前有效的违约记录：{place}。",),
            ("处理：{act}。",),
            ("待缴 {amount}。",),
            ("您可以在 {appeal_until} 前申诉。", "您可以申诉。"),
        ),
        ("生效日期：{next}。",),
    ),
    "appeal_decided": Words(
        ("一次违约记录已撤销：{taken_back}", "您的申诉已有结果"),
        (("一次违约记录已撤销：{taken_back}。", "您的申诉已有结果：{decision}。", "您的申诉已有结果。"),),
        _NOTE,
    ),
    "plate_off_list": Words(
        ("道闸暂不放行您的车辆",),
        (("{facility}的道闸暂不放行您的车辆。", "道闸暂不放行您的车辆。"), ("期限：{first} 至 {last}。", "{span}。")),
        _NOTE,
    ),
    "calendar_changed": Words(
        ("放假安排有变：您在{facility}的停放", "放假安排有变"),
        (
            ("工作日与节假日安排有变，影响您在{facility}的停放：{span}。", "工作日与节假日安排有变，影响您的停放。"),
            ("处理结果：{what}。",),
        ),
        _NOTE,
    ),
    "fee_due": Words(
        (
            "待缴 {amount}：{late_exit}超时驶离{facility}",
            "待缴 {amount}：{late_exit}超时驶离",
            "待缴 {amount}：{facility}",
            "待缴 {amount}",
            "有一笔待缴费用",
        ),
        (
            (
                "因车辆于{late_exit}超时驶离{facility}，待缴 {amount}。",
                "因车辆于{late_exit}超时驶离，待缴 {amount}。",
                "{facility}的泊位待缴 {amount}。",
                "待缴 {amount}。",
                "有一笔待缴费用。",
            ),
            ("款项：{what}。",),
            _TERM,
        ),
        ("请在 {next} 前缴纳。",),
    ),
    "payment_received": Words(
        ("已收到 {amount}", "已收到付款"),
        (("已收到您的付款 {amount}，谢谢。", "已收到您的付款，谢谢。"),),
        ("下一次月费将于 {next} 计收。", "应付给您的款项自 {owed_from} 起可以领取。"),
    ),
    "refund_made": Words(
        ("已退还 {amount}，收据 {receipt}", "{amount} 已记入您的账户", "款项已记入您的账户"),
        (
            ("已退还您 {amount}，收据 {receipt}。", "{amount} 已记入您的账户。", "款项已记入您的账户。"),
            ("您的待缴金额减少 {off_due}。",),
            ("应付给您 {owed}。",),
        ),
        ("下一次月费将于 {next} 计收。", "应付给您的款项自 {owed_from} 起可以领取。"),
    ),
    "bay_taken": Words(
        ("{facility}的泊位被占", "您的泊位被占"),
        (
            ("您在{facility}的泊位被占：{span}。", "您在{facility}的泊位被占。", "您的泊位被占。"),
            ("处理结果：{outcome}。",),
            _INSTEAD,
            ("{due} 无需缴纳；如已计收，将记入您的账户。",),
        ),
        _NOTE,
    ),
}

CHINESE = Language(
    code="zh",
    kinds=_KINDS,
    reasons={
        "declined": "您放弃了配位",
        "lapsed": "逾期未答复",
        "given_up": "您放弃了资格",
        "term_over": "期限已满",
        "withdrawn": "权属单位收回泊位",
        "bay_taken": "泊位被他人占用",
        "moved": "已另行安排",
        "strikes": "违约次数过多",
        "ineligible": "不符合条件",
        "no_home_access": "住处没有步行通路",
        "too_far": "步行距离都太远",
        "no_day": "没有申请期限内的夜次",
        "no_window": "附近没有全程开放的停车场",
        "no_suitable_bay": "没有适合车辆或需求的泊位",
        "full": "可及的泊位已配给更优先的申请",
        "no_value": "配位对整体没有益处",
        "rejected": "审核未通过",
        "moved_too_far": "您已搬家，原定泊位离新住处过远",
        "other_car": "您现在的车辆不适合原定泊位",
        "has_permit": "您已有至本期期末的停车资格或待确认的配位",
        "cancelled": "已取消",
        "ends_earlier": "提前结束",
        "upheld": "维持违约记录",
        "lifted": "撤销违约记录",
        "weighs_less": "违约处理已减轻",
        "not_borne_out": "道闸记录经补报或更正后不再支持该认定",
        "left_in_time": "道闸补报的记录表明车辆已按时离开",
        "warning": "警告",
        "fee": "缴费",
        "suspension": "暂停停车资格",
        "end": "终止停车资格",
        "vehicle": "车辆",
        "called_off": "权属单位撤销了收回决定",
        "money_back": "本次停放不收费",
        "not_published": "分配方案尚未公布",
        "round_over": "本批次已结束",
        "record_too_short": "释放记录时间太短",
        "too_few_releases": "释放的泊位太少",
        "too_far_back": "前面轮候的家庭太多",
        "term_ends_first": "期限在此之前结束",
        "range_too_wide": "时间范围太宽，不足以安排",
        "any_day": "随时可能轮到",
        "paid": "已支付",
        "paid_out": "已付出",
        "ended": "停车资格已终止",
        "deposit": "押金",
        "deposit_return": "押金",
        "booking": "预约",
    },
    reason="原因：{reason}。",
    next="请留意日期：{next}。",
    code_subject="确认码 {code}",
    code_text=(
        "有人（很可能是您）希望把一户的停车通知发到这个邮箱。\n\n"
        "确认请输入：{code}\n\n有效期至 {until}。如非本人操作，请忽略。"
    ),
    footer="您收到本邮件，是因为您的家庭登记了这个邮箱；可以在家庭的联系方式设置中停止接收。",
    read_more="全部通知请见收件箱：{url}",
    day=_date,
    moment=_moment,
    span=_span,
    metres=lambda number: f"{number} 米",
    minutes=lambda number: f"{number} 分钟",
    dates=_dates,
    separator="",
)
