"""A bank's EAST 5.0 files at size: written, opened and evaluated, with seconds and memory.

`python -m benchmarks.east5 FOLDER --customers 100000 --records 3000000`: two quarter ends, three
months of transactions. The files are written once; a second run finds them.
"""

from __future__ import annotations

import argparse
import resource
import time
import warnings
from datetime import date
from pathlib import Path

from stockcust_analysis import evaluate, open_bank
from stockcust_analysis.bank.sample import LICENCE, ORDERS
from stockcust_analysis.core.engines import literal, quiet_connection

DAYS = (date(2026, 6, 30), date(2026, 9, 30))
MONTHS = (date(2026, 7, 31), date(2026, 8, 31), date(2026, 9, 30))
BRANCHES = 200
_BRANCH = f"'B' || lpad((i % {BRANCHES})::VARCHAR, 4, '0')"
_CUSTOMER = "'C' || lpad(i::VARCHAR, 10, '0')"
_ACCOUNT = f"""SELECT {_BRANCH} AS NBJGH, {_CUSTOMER} AS KHTYBH, 'CNY' AS BZ, '人民币' AS CHLB,
    '20150101' AS KHRQ, '99991231' AS XHRQ, '20260601' AS SCDHRQ, '正常' AS ZHZT"""
STATES = {
    "JGXXB": f"""SELECT {_BRANCH} AS NBJGH, '支行' || i AS YHJGMC, '营业机构' AS JGLB,
        '330102' AS XZQHDM, '营业' AS YYZT, '20000101' AS CLRQ FROM range({BRANCHES}) r(i)""",
    "GRJCXXB": f"""SELECT {_BRANCH} AS NBJGH, {_CUSTOMER} AS KHTYBH, '普通个人客户' AS BXYGBZ,
        '男' AS XB, '198001' AS CSNY, '否' AS SFNH, '否' AS BHYGBZ FROM range($n) r(i)""",
    "GRCKFHZ": f"""{_ACCOUNT}, 'A' || i AS GRCKZH, '个人活期存款' AS GRCKZHLX,
        (hash(i) % 1000000) / 100 AS CKYE FROM range($n) r(i)
        UNION ALL {_ACCOUNT}, 'T' || i, '个人定期存款', (hash(i) % 9000000) / 100
        FROM range(0, $n, 3) r(i)""",
    "GRXDFHZ": f"""SELECT {_BRANCH} AS NBJGH, {_CUSTOMER} AS KHTYBH, 'L' || i AS DKFHZH,
        'L' || i AS XDJJH, 'CNY' AS BZ, 50000 AS DKYE, '20250101' AS FFRQ, '20280101' AS DQRQ,
        '正常' AS DKZT FROM range(0, $n, 20) r(i)""",
    "XYKSXQKB": f"""SELECT {_BRANCH} AS NBJGH, {_CUSTOMER} AS KHTYBH, 'X' || i AS XYKZH,
        'CNY' AS BZ, 1000 AS TZJE, i % 5 AS DYLJJYBS, '正常' AS ZHZT FROM range(0, $n, 10) r(i)""",
}
# A third of the customers make all transactions; each leaves the balance of the quarter's end.
RECORDS = f"""
SELECT j AS JYXLH, {_BRANCH} AS NBJGH, {_CUSTOMER} AS KHTYBH, '张' AS ZHMC, 'A' || i AS GRCKZH,
    CASE j % 5 WHEN 0 THEN '结息' WHEN 1 THEN '代发' ELSE '消费' END AS JYLX,
    CASE j % 5 WHEN 0 THEN '贷' WHEN 1 THEN '贷' ELSE '借' END AS JYJDBZ,
    '$month' || lpad((1 + j % 28)::VARCHAR, 2, '0') AS HXJYRQ,
    lpad((j % 86400)::VARCHAR, 6, '0') AS HXJYSJ, 'CNY' AS BZ, (j % 90000) / 100 AS JYJE,
    (hash(i) % 1000000) / 100 AS ZHYE, '财付通支付科技有限公司' AS DFHM, '消费支付' AS ZY,
    '正常' AS CBMBZ, '转' AS XZBZ, '第三方支付-微信' AS JYQD
FROM (SELECT j, (j * 3 % $n)::BIGINT AS i FROM range($first, $last) r(j))"""


def write(folder: Path, customers: int, records: int) -> None:
    """Write the files of two quarter ends and of the three months between."""
    folder.mkdir(parents=True, exist_ok=True)
    with quiet_connection() as connection:

        def write_table(table: str, day: date, query: str) -> None:
            rows = connection.sql(query.replace("$n", str(customers)))
            stated = {"JRXKZH": literal(LICENCE), "CJRQ": f"'{day:%Y%m%d}'"}
            fields = ", ".join(
                stated.get(c, f"{c}::VARCHAR" if c in rows.columns else "''") for c in ORDERS[table]
            )
            path = literal(str(folder / f"{LICENCE}-{table}-{day:%Y%m%d}.txt"))
            connection.execute(
                f"COPY (SELECT concat_ws(chr(1), {fields}) FROM rows) TO {path} "
                "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIM '\x02')"
            )

        for day in DAYS:
            for table, query in STATES.items():
                write_table(table, day, query)
        for number, day in enumerate(MONTHS):
            first, last = number * records // 3, (number + 1) * records // 3
            query = RECORDS.replace("$month", f"{day:%Y%m}").replace("$first", str(first))
            write_table("GRCKFHZMX", day, query.replace("$last", str(last)))
    (folder / "mapping.toml").write_text(f"[layout.orders]\nXYKSXQKB = {ORDERS['XYKSXQKB']}\n")


def main() -> None:
    """Write the files, where they are not there yet; open and evaluate them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=3_000_000)
    parser.add_argument("--memory-limit", default="3GB")
    given = parser.parse_args()
    if not (given.folder / "mapping.toml").exists():
        write(given.folder, given.customers, given.records)
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    with open_bank(given.folder, layout="east5", memory_limit=given.memory_limit) as bank:
        opened = time.perf_counter()
        evaluation = evaluate(bank, quarter="2026Q3")
    done, used = time.perf_counter(), time.process_time()
    size = sum(path.stat().st_size for path in given.folder.iterdir()) / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{size:.2f} GB of files: opened in {opened - started:.1f} s, evaluated in "
        f"{done - opened:.1f} s ({len(evaluation.measures):,} measures), "
        f"{used:.0f} s of processor in all, peak {peak:.2f} GB"
    )


if __name__ == "__main__":
    main()
