"""A fictitious rural commercial bank (农商行), with stories planted to be found, and its files.

Branches lead to people, people to a panel over the quarters, the panel to accounts, accounts to
the tables of the contract. Within, a branch, product, customer or quarter is a position and money
is whole cents (分). Nothing here reads or measures a real bank.

Files are the contract's, or a bank's monthly files of EAST 5.0 (监管数据标准化规范, 2021版). Names
and values of those stand here as public sources state them, not taken from what reads them: a
mistake in one shows against the other. Orders of fields are the layout's, which the tests hold
against those sources; two whose order is not proven stand in the mapping beside the files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from stockcust_analysis.bank.contract import TABLES, table
from stockcust_analysis.bank.conversion import SQL_TYPES
from stockcust_analysis.bank.file_names import assign_files
from stockcust_analysis.bank.mapping import Mapping as HouseMapping
from stockcust_analysis.bank.sample import people
from stockcust_analysis.bank.sample.people import LAST, QUARTERS, Branch, decode_names
from stockcust_analysis.bank.sample.tables import join_pieces, make_piece
from stockcust_analysis.core.engines import literal, quiet_connection
from stockcust_analysis.errors import UsageError, say
from stockcust_analysis.policy.file import read_toml

SEED = 20260930
CUSTOMERS_PER_BRANCH = 100
"""With fewer on average the planted stories drown in chance."""
LARGE = ("customers", "holdings", "assignments", "contacts", "transactions")
"""Tables that grow with the customers; the others are small enough to be read in an editor."""
BANK_NAME = "青禾农村商业银行"
SMALLEST = "COMPRESSION zstd, COMPRESSION_LEVEL 12, ROW_GROUP_SIZE 1000000"
_COUNT = {2: "Two", 3: "Three", 4: "Four", 5: "Five"}


def make_bank(
    seed: int = SEED,
    *,
    branches: int = 24,
    customers: int = 12_000,
    quarters: int = LAST,
    effects: people.Effects = "",
) -> dict[str, pd.DataFrame]:
    """Make an invented bank, every table of the contract, to learn and to test with.

    Parameters
    ----------
    seed : int
        The same seed and sizes make the same bank.
    branches : int
        Branches in business in 2026Q3; two more were merged away before.
    customers : int
        Customers of an average quarter.
    quarters : int
        Number of quarters up to 2026Q3, 2 to 5.
    effects : str
        `planted`: with effects that models can find; `none`: where they must find nothing; `""`:
        an ordinary bank, for everything but models.

    Returns
    -------
    dict of str to DataFrame
        Table by name, sorted by key; money in CNY. `open_bank` opens it as it is.

    Raises
    ------
    UsageError
        Sizes for which no such bank can be made.

    Examples
    --------
    >>> bank = make_bank(branches=8, customers=800)
    >>> bank["customers"]["as_of"].nunique()
    5
    """
    check_size(branches, customers, quarters)
    rng = np.random.default_rng(seed)
    network = people.make_branches(rng, branches)
    everybody = people.make_people(rng, network, people.draw_arrivals(rng, network, customers))
    piece = make_piece(rng, network, everybody, quarters=quarters, effects=effects)
    tables = {name: decode_names(piece[name]) for name in LARGE} | join_pieces(network, [piece])
    return {entry.name: tables[entry.name] for entry in TABLES if entry.name in tables}


def check_size(branches: int, customers: int, quarters: int) -> None:
    """Raise UsageError for a bank that cannot hold its stories."""
    if branches < len(Branch):
        raise UsageError(say("too_few_branches", branches, len(Branch)))
    if customers < (least := branches * CUSTOMERS_PER_BRANCH):
        raise UsageError(say("too_few_customers", customers, branches, least))
    if not 2 <= quarters <= LAST:
        raise UsageError(say("quarters_of_sample", quarters, LAST))


def write_bank(
    tables: dict[str, pd.DataFrame], folder: str | Path, *, effects: people.Effects = ""
) -> None:
    """Write a bank's tables, its name (`mapping.toml`) and a README into a folder.

    Small tables become CSV, others Parquet with exact money; files of the same names are replaced.
    Raises UsageError when the folder holds customers of another bank, which would be read along.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    customers = assign_files(target, HouseMapping())[0]["customers"]
    others = [path for path in customers if path.name != file_name("customers")]
    if others:
        raise UsageError(say("another_bank_there", target, len(others), others[0].name))
    for name, frame in tables.items():
        write_table(name, frame, target / file_name(name))
    write_texts(
        target,
        branches=tables["branches"],
        rows={name: len(frame) for name, frame in tables.items()},
        quarters=tables["customers"]["as_of"].nunique(),
        pair=first_pair(tables["customers"]),
        notes=people.NOTES.get(effects, ""),
    )


def write_table(name: str, frame: pd.DataFrame, path: Path, *, parquet: str = SMALLEST) -> None:
    """Write one table; `parquet` says how those that are Parquet are compressed."""
    own = (column for column in table(name).columns if column.name in frame)
    columns = ", ".join(f"{c.name}::{SQL_TYPES[c.kind]} AS {c.name}" for c in own)
    how = f"FORMAT parquet, {parquet}" if name in LARGE else "FORMAT csv, HEADER"
    with quiet_connection() as connection:
        # One thread keeps the row order, and so the bytes, the same from run to run.
        connection.execute("SET threads = 1")
        connection.register("frame", frame)
        connection.execute(f"COPY (SELECT {columns} FROM frame) TO {literal(str(path))} ({how})")


def write_texts(
    folder: Path,
    *,
    branches: pd.DataFrame,
    rows: Mapping[str, int],
    quarters: int,
    pair: Sequence[str],
    part: str = "",
    notes: str = "",
) -> None:
    """Write a bank's name and the page about it: its stories, its files and how it was made."""
    template = Path(__file__).with_name("readme.md").read_text(encoding="utf-8")
    stories = branches.head(len(Branch))
    files = [
        f"| {file_name(entry.name, part)} | {entry.zh} | {rows[entry.name]:,} | {entry.meaning} |"
        for entry in TABLES
        if entry.name in rows
    ]
    page = template.format(
        bank=BANK_NAME,
        quarters=f"{_COUNT[quarters]} quarters, {QUARTERS[-quarters]} to {QUARTERS[-1]}",
        files="\n".join(files),
        pair=" and ".join(pair),
        **dict(zip(stories["branch_id"], stories["name"], strict=True)),
    )
    (folder / "mapping.toml").write_bytes(f'name = "{BANK_NAME}"\n'.encode())
    (folder / "README.md").write_text(page + notes, encoding="utf-8", newline="\n")


def first_pair(customers: pd.DataFrame) -> list[str]:
    """Return the first two customer numbers of one person."""
    known = customers.drop_duplicates("customer_id").dropna(subset="person_id")
    twice = known[known["person_id"].duplicated(keep=False)].sort_values("person_id")
    return [*twice["customer_id"].head(2)]


def file_name(table_name: str, part: str = "") -> str:
    """Return the name of a table's file."""
    return f"{table_name}{part}.parquet" if table_name in LARGE else f"{table_name}.csv"


LICENCE = "B0001H111000001"
_LICENCE_OF_SPLIT = "B0001H233010001"
_CUT = 1000
_NAME = "客户"
_NOT_PROVEN = {
    "DGKHXXB": "JRXKZH NBJGH KHTYBH KHMC KHLX BBZ CJRQ",
    "XYKSXQKB": "JRXKZH NBJGH YHJGMC KHTYBH KHMC ZJLB ZJHM XYKZH BZ TZJE ZHYE DQSXED DQSXYE QZFQYE "
    "DYLJJYBS BYLJXFJE BYLJQXZZJE YQJE YQRQ ZHZT WJFL BBZ CJRQ",
}
_TABLES = read_toml(Path(__file__).parents[1] / "layouts" / "east5.toml")["tables"]
ORDERS = {table: entry["columns"] for table, entry in _TABLES.items() if "columns" in entry}
ORDERS |= {table: fields.split() for table, fields in _NOT_PROVEN.items()}
_SUBJECTS = ("demand_deposit", "time_deposit", "loan", "credit_card")
# Every second sole trader is a corporate customer to EAST, on a business licence.
_VIEWS = """
CREATE TABLE people AS SELECT *, customer_type = 'sole_trader'
    AND right(customer_id, 1)::INTEGER % 2 = 1 AS is_licensed
FROM customers WHERE customer_type <> 'corporate';
CREATE TABLE accounts AS
SELECT h.*, p.is_licensed, p.exclusion, p.last_active_on AS moved
FROM holdings h JOIN people p USING (as_of, customer_id);
CREATE TABLE deposits AS
SELECT account_id, any_value(customer_id) AS customer_id, any_value(product) AS product,
    any_value(booking_branch_id) AS NBJGH, min(opened_on) AS opened_on,
    sum(balance) FILTER (as_of = $opening) AS opening,
    sum(balance) FILTER (as_of = $closing) AS closing, any_value(is_licensed) AS is_licensed,
FROM accounts WHERE product IN ('demand_deposit', 'time_deposit')
    AND as_of IN ($opening, $closing) GROUP BY account_id"""
# What moved the balance of a customer's first demand deposit, and at the end of the quarter what
# else brings each account to its balance.
_RECORDS = """
CREATE TABLE records AS
WITH mains AS (
    SELECT customer_id, min(account_id) AS account_id FROM deposits
    WHERE product = 'demand_deposit' AND NOT is_licensed GROUP BY customer_id
), moves AS (
    SELECT account_id, customer_id, transacted_on AS day, t.amount, CASE kind
        WHEN 'cash' THEN CASE WHEN t.amount < 0 THEN '取现' ELSE '存现' END
        WHEN 'transfer' THEN '转账' WHEN 'interest' THEN '结息' WHEN 'purchase' THEN '投资理财'
        ELSE '消费' END AS JYLX,
        CASE kind WHEN 'wechat_alipay' THEN '第三方支付-微信' ELSE '柜面' END AS JYQD
    FROM transactions t JOIN mains USING (customer_id) WHERE transacted_on > $opening
    UNION ALL SELECT m.account_id, m.customer_id, $closing - 15, 3000, '代发', '网银'
    FROM accounts h JOIN mains m USING (customer_id)
    WHERE product = 'payroll' AND used_recently AND as_of = $closing
    UNION ALL SELECT m.account_id, m.customer_id, $closing - 12, -10, '代缴', '手机银行'
    FROM accounts h JOIN mains m USING (customer_id)
    WHERE product = 'mobile_banking' AND as_of = $closing
), numbered AS (
    SELECT *, row_number() OVER (ORDER BY account_id, day, JYLX, amount) AS n FROM moves
), run AS (
    SELECT r.*, COALESCE(opening, 0) + sum(amount) OVER (PARTITION BY account_id ORDER BY n)
        AS after FROM numbered r JOIN deposits USING (account_id)
), ends AS (
    SELECT account_id, customer_id, COALESCE(closing, 0) AS closing, COALESCE(
        (SELECT max_by(after, n) FROM run WHERE run.account_id = d.account_id), opening, 0) AS last
    FROM deposits d WHERE NOT is_licensed
)
SELECT n, account_id, customer_id, day, amount, JYLX, JYQD, after FROM run
UNION ALL
SELECT (SELECT count(*) FROM run) + row_number() OVER (ORDER BY account_id), account_id,
    customer_id, $closing, closing - last, '其他-余额调整', '其他-核心', closing
FROM ends WHERE closing <> last"""
_DAY = "strftime({}, '%Y%m%d')"
# Who leaves has a last row of accounts; an account that is gone at the end has one as well.
_ACCOUNTS = f"""
SELECT NBJGH, d.customer_id AS KHTYBH, account_id AS {{0}}CKZH, CASE product
    WHEN 'demand_deposit' THEN '{{1}}活期存款' ELSE '{{1}}定期存款' END AS {{0}}CKZHLX, 'CNY' AS BZ,
    COALESCE(balance, 0) AS CKYE, {_DAY.format("d.opened_on")} AS KHRQ, CASE
    WHEN balance IS NULL THEN {_DAY.format("COALESCE(p.closed_on, $day)")} ELSE '99991231' END
    AS XHRQ, COALESCE({_DAY.format("p.last_active_on")}, '99991231') AS SCDHRQ, '人民币' AS CHLB,
    CASE WHEN balance IS NULL THEN '销户' WHEN p.exclusion = 'frozen' THEN '冻结' ELSE '正常' END
    AS ZHZT
FROM (SELECT *, CASE WHEN $day = $closing THEN closing ELSE opening END AS balance FROM deposits) d
LEFT JOIN people p ON p.customer_id = d.customer_id AND p.as_of = $day
WHERE d.is_licensed = {{2}} AND (balance IS NOT NULL OR $day = $closing)
UNION ALL
SELECT branch_id, customer_id, 'X' || customer_id, '{{1}}活期存款', 'CNY', 0,
    {_DAY.format("relationship_since")}, {_DAY.format("closed_on")},
    COALESCE({_DAY.format("last_active_on")}, '99991231'), '人民币', '销户'
FROM people WHERE as_of = $day AND closed_on IS NOT NULL AND is_licensed = {{2}}"""
_STATE = {
    "JGXXB": f"""
        SELECT branch_id AS NBJGH, name AS YHJGMC, '营业机构' AS JGLB, '330102' AS XZQHDM,
            CASE WHEN closed_on <= $day THEN '停业' ELSE '营业' END AS YYZT,
            {_DAY.format("opened_on")} AS CLRQ FROM branches
        UNION ALL SELECT DISTINCT 'R' || region, region, '管理机构', '330102', '营业', '99991231'
        FROM branches UNION ALL SELECT 'H', '总行', '管理机构', '330102', '营业', '99991231'""",
    "JGGXB": """
        SELECT branch_id AS NBJGH, 'R' || region AS SJGLNBJGH, region AS SJGLJGMC FROM branches
        UNION ALL SELECT DISTINCT 'R' || region, 'H', '总行' FROM branches
        UNION ALL SELECT 'H', '0', ''""",
    "GRJCXXB": f"""
        SELECT branch_id AS NBJGH, customer_id AS KHTYBH, mask_name('{_NAME}') AS KHXM,
            '居民身份证' AS ZJLB,
            mask('999999' || strftime(birth_date, '%Y%m%d') || right(customer_id, 4)) AS ZJHM,
            CASE customer_type WHEN 'personal' THEN '普通个人客户'
                ELSE '普通个人客户;个体工商户' END AS BXYGBZ,
            CASE gender WHEN 'male' THEN '男' WHEN 'female' THEN '女' END AS XB,
            COALESCE(strftime(birth_date, '%Y%m'), '999912') AS CSNY,
            CASE WHEN contains(groups, 'farmers') THEN '是' ELSE '否' END AS SFNH,
            CASE exclusion WHEN 'staff' THEN '是' ELSE '否' END AS BHYGBZ
        FROM people WHERE as_of = $day AND closed_on IS NULL AND NOT is_licensed""",
    "DGKHXXB": """
        SELECT branch_id AS NBJGH, customer_id AS KHTYBH, '个体工商户' AS KHLX
        FROM people WHERE as_of = $day AND closed_on IS NULL AND is_licensed""",
    "JJKXXB": f"""
        SELECT branch_id AS NBJGH, customer_id AS KHTYBH, 'K' || customer_id AS KH,
            '借记卡' AS JJKCPMC, {_DAY.format("relationship_since")} AS KKRQ, '正常' AS KPZT
        FROM people WHERE as_of = $day AND closed_on IS NULL
        UNION ALL SELECT booking_branch_id, customer_id, account_id, '社会保障卡',
            {_DAY.format("opened_on")}, '正常'
        FROM accounts WHERE as_of = $day AND product = 'social_security_card'""",
    "GRXDFHZ": f"""
        SELECT booking_branch_id AS NBJGH, customer_id AS KHTYBH, account_id || part AS DKFHZH,
            account_id AS XDJJH, 'CNY' AS BZ, balance AS DKYE, {_DAY.format("opened_on")} AS FFRQ,
            COALESCE({_DAY.format("matures_on")}, '99991231') AS DQRQ, '正常' AS DKZT
        FROM accounts, (VALUES ('a'), ('b')) parts(part) WHERE as_of = $day AND product = 'loan'""",
    "XYKSXQKB": """
        SELECT booking_branch_id AS NBJGH, customer_id AS KHTYBH, account_id AS XYKZH, 'CNY' AS BZ,
            balance AS TZJE, -balance AS ZHYE, used_recently::INTEGER AS DYLJJYBS, '正常' AS ZHZT
        FROM accounts WHERE as_of = $day AND product = 'credit_card'""",
    "ZZKJQKMB": f"""
        SELECT branch_id AS NBJGH, product AS KJKMBH, 'BWB' AS BZ, period AS BSZQ,
            strftime(as_of, '%Y%m%d') AS KJRQ,
            CASE WHEN product IN ('loan', 'credit_card') THEN balance ELSE 0 END AS QMJFYE,
            CASE WHEN product IN ('loan', 'credit_card') THEN 0 ELSE balance END AS QMDFYE
        FROM ledger, (VALUES ('日报'), ('月报')) periods(period)
        WHERE as_of = $day AND product IN {_SUBJECTS}
        UNION ALL SELECT 'H', product, 'BWB', '月报', strftime(any_value(as_of), '%Y%m%d'), 0,
            sum(balance) FROM ledger WHERE as_of = $day AND product IN {_SUBJECTS}
        GROUP BY product""",
    "HLXXB": """
        SELECT 'H' AS NBJGH, 100 AS WBSL, 'USD' AS WBBZ, 'CNY' AS BBBZ, 712.34 AS ZBBSL,
            strftime($day, '%Y%m%d') AS HLRQ""",
    "GRCKFHZ": _ACCOUNTS.format("GR", "个人", "false"),
    "DGCKFHZ": _ACCOUNTS.format("DG", "单位", "true"),
}
_MONTH = """
SELECT n AS JYXLH, NBJGH, CASE WHEN n % 10 = 0 THEN $elsewhere ELSE NBJGH END AS YWBLJGH,
    r.customer_id AS KHTYBH, account_id AS GRCKZH, JYLX,
    CASE WHEN amount < 0 THEN '借' ELSE '贷' END AS JYJDBZ, strftime(day, '%Y%m%d') AS HXJYRQ,
    '120000' AS HXJYSJ, 'CNY' AS BZ, abs(amount)::DECIMAL(18, 2) AS JYJE,
    after::DECIMAL(18, 2) AS ZHYE, '正常' AS CBMBZ, '转' AS XZBZ, JYQD
FROM records r JOIN deposits USING (account_id)
WHERE last_day(day) = $day AND abs(amount) >= $smallest"""
_TOLD = "SELECT customer_id FROM people WHERE as_of >= $opening AND closed_on IS NULL"


def write_east_files(
    tables: Mapping[str, pd.DataFrame],
    folder: Path,
    *,
    cut: bool = False,
    masked: bool = False,
    split: bool = False,
) -> None:
    """Write what EAST can say of a bank's last two quarters, and beside it what it cannot.

    Parameters
    ----------
    tables
        Of `make_bank`.
    folder
        Where the files go; a mapping and the contract's small tables with them.
    cut
        Transactions of 1,000 CNY and more alone (404), as they are delivered.
    masked
        Names and identity numbers masked (变形).
    split
        Two files of each table, of the branches of two licences, which overlap.
    """
    folder.mkdir(parents=True, exist_ok=True)
    opening, closing = sorted(pd.to_datetime(tables["customers"]["as_of"]).dt.date.unique())[-2:]
    with quiet_connection() as connection:
        for name, frame in tables.items():
            connection.register(name, frame)
        for name, mask in {"mask": _mask, "mask_name": lambda name: name[-1:]}.items():
            function = mask if masked else lambda text: text
            connection.create_function(name, function, ["VARCHAR"], "VARCHAR")
        writer = _Writer(connection, folder, {"opening": opening, "closing": closing}, split)
        for statement in (*_VIEWS.split(";"), _RECORDS):
            connection.execute(writer.fill(statement))
        for day in (opening, closing):
            for table, query in _STATE.items():
                writer.write(table, day, query)
        first, smallest = str(tables["branches"]["branch_id"].iloc[0]), str(_CUT if cut else 0)
        month = _MONTH.replace("$elsewhere", literal(first)).replace("$smallest", smallest)
        for day in pd.date_range(opening, closing, freq="ME")[1:]:
            writer.write("GRCKFHZMX", day.date(), month)
        told = connection.sql(writer.fill(_TOLD)).fetchall()
    _write_beside(tables, {customer for (customer,) in told}, folder)


@dataclass(frozen=True)
class _Writer:
    """Writes tables with 0x01 between the fields, no quotation marks and no header."""

    connection: duckdb.DuckDBPyConnection
    folder: Path
    days: Mapping[str, date]
    split: bool

    def fill(self, query: str, **days: date) -> str:
        """Return a query with its days."""
        for name, day in {**self.days, **days}.items():
            query = query.replace(f"${name}", f"DATE '{day}'")
        return query

    def write(self, table: str, day: date, query: str) -> None:
        """Write one table's file of one day, or one for each of two licences."""
        rows = self.connection.sql(self.fill(query, day=day))
        stated = {"JRXKZH": literal(LICENCE), "CJRQ": f"'{day:%Y%m%d}'"}
        fields = ", ".join(
            stated.get(name, f"COALESCE({name}::VARCHAR, '')" if name in rows.columns else "''")
            for name in ORDERS[table]
        )
        places = "NBJGH, YWBLJGH" if "YWBLJGH" in rows.columns else "NBJGH"
        side = "true"
        if self.split and table not in ("JGXXB", "JGGXB", "HLXXB"):
            side = f"list_bool_or([hash(place) % 2 = {{}} FOR place IN [{places}]])"
        for number, licence in enumerate([LICENCE, _LICENCE_OF_SPLIT][: 1 + self.split]):
            name = literal(str(self.folder / f"{licence}-{table}-{day:%Y%m%d}.txt"))
            self.connection.execute(
                f"COPY (SELECT concat_ws(chr(1), {fields}) FROM rows WHERE {side.format(number)} "
                f"ORDER BY 1) TO {name} (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', "
                "DELIM '\x02')"
            )


def _mask(number: str) -> str:
    """Return an identity number in the form in which it is delivered."""
    return number[:6] + hashlib.new("sm3", f"{_NAME[0]}{number.upper()}".encode()).hexdigest()


def _write_beside(tables: Mapping[str, pd.DataFrame], told: set[str], folder: Path) -> None:
    """Write the mapping, and the small tables that EAST has nothing of."""
    for name in ("branch_successors", "managers", "assignments", "contacts", "targets"):
        frame = tables[name]
        if "customer_id" in frame:
            frame = frame[frame["customer_id"].isin(told)]
        write_table(name, frame, folder / file_name(name))
    types = tables["branches"].dropna(subset=["type"])[["branch_id", "type"]].to_numpy()
    lines = [
        f'name = "{BANK_NAME}"',
        "[layout.orders]",
        *(f"{table} = {ORDERS[table]}" for table in _NOT_PROVEN),
        "[layout.subjects]",
        *(f'{product} = "{product}"' for product in _SUBJECTS),
        "[layout.branch_types]",
        *(f'{branch} = "{kind}"' for branch, kind in types),
    ]
    (folder / "mapping.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
