"""Files of EAST 5.0 written by hand, from what the standard and those who load it say of them.

The orders of fields stand here a second time, not taken from the package: a mistake in one shows.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb
import pandas as pd

LICENCE = "B0001H111000001"
_FIELDS = {
    "JGXXB": (
        "YHJGDM NBJGH JRXKZH YYZZH YHJGMC JGLB XZQHDM YYZT CLRQ JGDZ JGLXDH FZRXM FZRZW "
        "FZRLXDH BBZ CJRQ"
    ),
    "JGGXB": ("YHJGDM JRXKZH NBJGH YHJGMC SJGLJGDM SJGLNBJGH SJGLJGMC BBZ CJRQ"),
    "GRJCXXB": (
        "JRXKZH NBJGH YHJGMC KHTYBH KHXM ZJLB ZJHM BXYGBZ GJHDQ MZ XB XL CSNY SFYH GZDWMC "
        "GZDWDZ GZDWDH DWXZ ZY ZW GRNSR TXDZ LXDH XDKHBZ SCJLXDGXNY SFNH BHYGBZ SHMDBZ "
        "SHMDRQ BBZ CJRQ"
    ),
    "JJKXXB": (
        "JRXKZH NBJGH KHTYBH KHMC ZJLB ZJHM KH HQCKZH JJKCPMC XNKBZ YGKBZ KKRQ KKGYH KPZT BBZ CJRQ"
    ),
    "ZZKJQKMB": (
        "JRXKZH NBJGH YHJGMC KJKMBH KJKMMC BZ QCJFYE QCDFYE JFFSE DFFSE QMJFYE QMDFYE "
        "BSZQ KJRQ BBZ CJRQ"
    ),
    "GRCKFHZ": (
        "JRXKZH NBJGH YHJGMC MXKMBH MXKMMC KHTYBH ZHMC GRCKZH GRCKZHLX BZJZHBZ LL BZ CKYE "
        "KHRQ KHGYH XHRQ SCDHRQ CHLB ZHZT BBZ CJRQ"
    ),
    "GRCKFHZMX": (
        "JYXLH JRXKZH NBJGH YWBLJGH YHJGMC MXKMBH MXKMMC KHTYBH ZHMC ZJLB ZJHM GRCKZH "
        "WBZH JYLX JYJDBZ HXJYRQ HXJYSJ BZ JYJE ZHYE DFZH DFHM DFXH DFXM ZY FY CBMBZ XZBZ "
        "JYQD IPDZ MACDZ DBRXM DBRZJLB DBRZJHM JYGYH SQGYH BBZ CJRQ"
    ),
    "DGCKFHZ": (
        "JRXKZH NBJGH YHJGMC MXKMBH MXKMMC KHTYBH ZHMC DGCKZH DGCKZHLX BZJZHBZ LL BZ CKYE "
        "KHRQ KHGYH XHRQ SCDHRQ CHLB ZHZT BBZ CJRQ"
    ),
    "GRXDFHZ": (
        "JRXKZH NBJGH YHJGMC MXKMBH MXKMMC KHTYBH ZHMC DKFHZH XDHTH XDJJH DKLL BZ DKJE "
        "DKYE FFRQ DQRQ KHRQ XHRQ DKZT ZHZT BBZ CJRQ"
    ),
    "HLXXB": ("JRXKZH NBJGH YHJGMC WBSL WBBZ BBBZ ZBBSL HLRQ BBZ CJRQ"),
    "XYKSXQKB": (
        "JRXKZH NBJGH YHJGMC KHTYBH KHMC ZJLB ZJHM XYKZH BZ TZJE ZHYE DQSXED DQSXYE "
        "QZFQYE DYLJJYBS BYLJXFJE BYLJQXZZJE YQJE YQRQ ZHZT WJFL BBZ CJRQ"
    ),
}
ORDERS = {table: fields.split() for table, fields in _FIELDS.items()}


def write(
    folder: Path,
    table: str,
    day: str,
    rows: pd.DataFrame | Iterable[Mapping[str, object]],
    *,
    licence: str = LICENCE,
    part: str = "",
) -> Path:
    """Write one table's file of one day: 0x01 between fields, no quotation marks, no header."""
    frame = pd.DataFrame(rows).assign(JRXKZH=licence, CJRQ=day)
    path = folder / f"{licence}-{table}-{day}{part}.txt"
    columns = [*ORDERS[table], *(["GSFZJG"] if "GSFZJG" in frame else [])]
    frame.reindex(columns=columns).to_csv(
        path,
        sep="\x01",
        header=False,
        index=False,
        lineterminator="\n",
        quoting=csv.QUOTE_NONE,
        quotechar="\x02",
    )
    return path


def _sql(query: str) -> pd.DataFrame:
    return duckdb.sql(query).df()


def write_sample(sample: Path, folder: Path, days: tuple[str, ...]) -> None:
    """Write what EAST can say of the sample bank's persons and sole traders."""
    for as_of in days:
        _write_state(sample, folder, as_of)
    for month in ("20260731", "20260831", "20260930"):
        rows = _sql(f"""
            SELECT row_number() OVER () AS JYXLH, customer_id AS KHTYBH,
                'D' || customer_id AS GRCKZH,
                CASE kind WHEN 'cash' THEN '取现' WHEN 'transfer' THEN '转账'
                    WHEN 'interest' THEN '结息'
                    WHEN 'purchase' THEN '投资理财' ELSE '消费' END AS JYLX,
                CASE WHEN amount < 0 THEN '借' ELSE '贷' END AS JYJDBZ, '120000' AS HXJYSJ,
                strftime(transacted_on, '%Y%m%d') AS HXJYRQ, 'CNY' AS BZ, abs(amount) AS JYJE,
                '正常' AS CBMBZ, '转' AS XZBZ,
                CASE kind WHEN 'wechat_alipay' THEN '第三方支付-微信' ELSE '柜面' END AS JYQD
            FROM '{sample}/transactions.parquet' JOIN (SELECT DISTINCT customer_id
                FROM '{sample}/customers.parquet' WHERE customer_type <> 'corporate')
                USING (customer_id)
            WHERE strftime(transacted_on, '%Y%m') = '{month[:6]}'""")
        write(folder, "GRCKFHZMX", month, rows)


def _write_state(sample: Path, folder: Path, as_of: str) -> None:
    """Write the tables of one month's last day."""
    day = as_of.replace("-", "")
    branches = f"'{sample}/branches.csv'"
    write(
        folder,
        "JGXXB",
        day,
        _sql(f"""
        SELECT branch_id AS NBJGH, name AS YHJGMC, '营业机构' AS JGLB, '330102' AS XZQHDM,
            CASE WHEN closed_on IS NULL OR closed_on > DATE '{as_of}' THEN '营业' ELSE '停业' END
            AS YYZT, strftime(opened_on, '%Y%m%d') AS CLRQ FROM {branches}
        UNION ALL SELECT DISTINCT 'R' || region, region, '管理机构', '330102', '营业', '99991231'
        FROM {branches}
        UNION ALL SELECT 'H', '总行', '管理机构', '330102', '营业', '99991231'"""),
    )
    write(
        folder,
        "JGGXB",
        day,
        _sql(f"""
        SELECT branch_id AS NBJGH, 'R' || region AS SJGLNBJGH, region AS SJGLJGMC FROM {branches}
        UNION ALL SELECT DISTINCT 'R' || region, 'H', '总行' FROM {branches}
        UNION ALL SELECT 'H', '0', ''"""),
    )
    duckdb.sql(f"""CREATE OR REPLACE TEMP VIEW c AS FROM '{sample}/customers.parquet'
        WHERE as_of = '{as_of}' AND customer_type <> 'corporate'""")
    duckdb.sql(f"""CREATE OR REPLACE TEMP VIEW h AS
        SELECT h.*, c.last_active_on AS moved, c.exclusion
        FROM '{sample}/holdings.parquet' h JOIN c USING (as_of, customer_id)""")
    write(
        folder,
        "GRJCXXB",
        day,
        _sql("""
        SELECT branch_id AS NBJGH, customer_id AS KHTYBH, CASE customer_type WHEN 'personal'
            THEN '普通个人客户' ELSE '普通个人客户;个体工商户' END AS BXYGBZ,
            CASE gender WHEN 'male' THEN '男' ELSE '女' END AS XB,
            COALESCE(strftime(birth_date, '%Y%m'), '999912') AS CSNY,
            CASE WHEN contains(groups, 'farmers') THEN '是' ELSE '否' END AS SFNH,
            CASE exclusion WHEN 'staff' THEN '是' ELSE '否' END AS BHYGBZ
        FROM c WHERE closed_on IS NULL"""),
    )
    write(
        folder,
        "JJKXXB",
        day,
        _sql("""
        SELECT branch_id AS NBJGH, customer_id AS KHTYBH, 'K' || customer_id AS KH,
            '借记卡' AS JJKCPMC,
            strftime(relationship_since, '%Y%m%d') AS KKRQ, '正常' AS KPZT FROM c
            WHERE closed_on IS NULL
        UNION ALL SELECT booking_branch_id, customer_id, account_id, '社会保障卡',
            strftime(opened_on, '%Y%m%d'), '正常' FROM h WHERE product = 'social_security_card'"""),
    )
    write(
        folder,
        "GRCKFHZ",
        day,
        _sql("""
        SELECT booking_branch_id AS NBJGH, customer_id AS KHTYBH, account_id AS GRCKZH,
            CASE product WHEN 'demand_deposit' THEN '个人活期存款' ELSE '个人定期存款' END
            AS GRCKZHLX,
            'CNY' AS BZ, balance AS CKYE, strftime(opened_on, '%Y%m%d') AS KHRQ, '99991231' AS XHRQ,
            strftime(COALESCE(moved, opened_on), '%Y%m%d') AS SCDHRQ, '人民币' AS CHLB,
            CASE exclusion WHEN 'frozen' THEN '冻结' ELSE '正常' END AS ZHZT
        FROM h WHERE product IN ('demand_deposit', 'time_deposit')
        UNION ALL SELECT branch_id, customer_id, 'X' || customer_id, '个人活期存款', 'CNY', 0,
            strftime(relationship_since, '%Y%m%d'), strftime(closed_on, '%Y%m%d'),
            strftime(COALESCE(last_active_on, closed_on), '%Y%m%d'), '人民币', '销户'
        FROM c WHERE closed_on IS NOT NULL"""),
    )
    write(
        folder,
        "GRXDFHZ",
        day,
        _sql("""
        SELECT booking_branch_id AS NBJGH, customer_id AS KHTYBH, account_id || part AS DKFHZH,
            account_id AS XDJJH, 'CNY' AS BZ, balance AS DKYE,
            strftime(opened_on, '%Y%m%d') AS FFRQ,
            COALESCE(strftime(matures_on, '%Y%m%d'), '99991231') AS DQRQ, '正常' AS DKZT
        FROM h, (VALUES ('a'), ('b')) AS parts(part) WHERE product = 'loan'"""),
    )
    write(
        folder,
        "XYKSXQKB",
        day,
        _sql("""
        SELECT booking_branch_id AS NBJGH, customer_id AS KHTYBH, account_id AS XYKZH, 'CNY' AS BZ,
            balance AS TZJE, -balance AS ZHYE, used_recently::INTEGER AS DYLJJYBS, '正常' AS ZHZT
        FROM h WHERE product = 'credit_card'"""),
    )
    write(
        folder,
        "ZZKJQKMB",
        day,
        _sql(f"""
        SELECT branch_id AS NBJGH, product AS KJKMBH, 'BWB' AS BZ, period AS BSZQ, '{day}' AS KJRQ,
            CASE WHEN product IN ('loan', 'credit_card') THEN balance ELSE 0 END AS QMJFYE,
            CASE WHEN product IN ('loan', 'credit_card') THEN 0 ELSE balance END AS QMDFYE
        FROM '{sample}/ledger.csv', (VALUES ('日报'), ('月报')) AS periods(period)
        WHERE as_of = '{as_of}' AND product IN ('demand_deposit', 'time_deposit', 'loan',
            'credit_card')
        UNION ALL SELECT DISTINCT 'H', product, 'BWB', '月报', '{day}', 0, 1
            FROM '{sample}/ledger.csv'"""),
    )


MAPPING = f"""
[layout.orders]
XYKSXQKB = {ORDERS["XYKSXQKB"]}
[layout.subjects]
demand_deposit = "demand_deposit"
time_deposit = "time_deposit"
loan = "loan"
credit_card = "credit_card"
"""
