"""Policies: what is shipped, what is refused, how a mistake is told, and what is inherited."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockcust_analysis.errors import PolicyError, UsageError, words_of
from stockcust_analysis.evaluation.policy_check import read_policy
from stockcust_analysis.policy import load_policy, shipped_policies
from tests.bank.test_words import ENGLISH

SHIPPED = Path("stockcust_analysis/policies/rural_commercial_bank.toml")
STATED = 'name = "own"\nversion = "7"\nbase = "rural_commercial_bank"\n'


def own(folder: Path, differs: str = "", *, stated: str = STATED, name: str = "own.toml") -> Path:
    """Write a bank's own file: what it states of itself, and what differs."""
    path = folder / name
    path.write_text(stated + differs, "utf-8")
    return path


def written(folder: Path, change: tuple[str, str] = ("", "")) -> Path:
    """Write the shipped policy with one text replaced, and return its path."""
    text = SHIPPED.read_text("utf-8")
    assert change[0] in text
    return own(folder, text.replace(*change, 1) if change[0] else text, stated="")


def test_shipped_tiers_are_the_practice_notes_borders() -> None:
    """The six tiers begin at 0, 100, 10,000, 50,000, 500,000 and 6,000,000 CNY."""
    tiers = load_policy("rural_commercial_bank").tiers.tiers
    assert [(tier.zh, tier.lower) for tier in tiers] == [
        ("零散", 0),
        ("潜力", 100),
        ("有效", 10_000),
        ("中端", 50_000),
        ("高端", 500_000),
        ("私行", 6_000_000),
    ]


def test_a_joint_stock_bank_has_higher_borders_below() -> None:
    """Its potential customers start at 1,000, its effective at 20,000; nothing else differs."""
    policy, base = load_policy("joint_stock_bank"), load_policy()
    assert [tier.lower for tier in policy.tiers.tiers] == [
        0,
        1_000,
        20_000,
        50_000,
        500_000,
        6_000_000,
    ]
    assert (policy.bases.funded, policy.bases.effective) == (100, 20_000)
    assert (policy.dormancy, policy.families) == (base.dormancy, base.families)


def test_shipped_dormancy_rule() -> None:
    """The rule in force is six months below 500 CNY, and presets are found by name."""
    policy = load_policy()
    rule = policy.dormancy
    assert (rule.name, rule.idle_months, rule.cap, rule.cap_inclusive) == (
        "rural_6m_500",
        6,
        500,
        False,
    )
    assert policy.dormancy_rule("rural_6m_500") is rule
    assert policy.dormancy_rule("cib_2025").idle_days == 365


@pytest.mark.parametrize(
    ("name", "period", "cap", "scope"),
    [
        ("rural_6m_500", 6, 500, ()),
        ("rural_3y_100", 36, 100, ("personal",)),
        ("cib_2025", 365, 10, ("personal",)),
        ("nfra_2023", 60, None, ("personal",)),
        ("psbc_2024", 60, None, ("personal",)),
        ("pboc_unit_1y", 12, None, ("corporate",)),
        ("crm_6m", 6, None, ()),
        ("crm_12m", 12, None, ()),
        ("uk_2008", 180, None, ()),
        ("us_ca_3y", 36, None, ()),
    ],
)
def test_dormancy_presets_are_the_published_rules(
    name: str, period: int, cap: float | None, scope: tuple[str, ...]
) -> None:
    """Each preset has the period, cap and scope of its source, whose evidence stands in front."""
    rule = load_policy().dormancy_rule(name)
    assert (rule.idle_months or rule.idle_days, rule.cap, rule.scope) == (period, cap, scope)
    assert rule.source.startswith(("[D] ", "[P] ", "[W] "))


def test_dormancy_presets_restart_the_clock_as_their_law_says() -> None:
    """A contact counts in California, the opening in the UK, and the end of a term in both."""
    policy = load_policy()
    assert policy.dormancy_rule("us_ca_3y").clock == ("transaction", "maturity", "contact")
    assert policy.dormancy_rule("uk_2008").clock == ("transaction", "maturity", "opening")


def test_shipped_families_are_nine_and_channels_are_apart() -> None:
    """Demand and time deposits are one family; mobile banking is a channel, not a product."""
    families = load_policy().families
    assert len(families.names) == 9
    assert families.families[0].products == ("demand_deposit", "time_deposit")
    assert "mobile_banking" in families.channel_names
    assert "loan" not in families.aum_products


def test_a_policy_shows_itself_in_a_few_words() -> None:
    """As the last line of a cell: which rules these are, not every parameter of all of them."""
    shown = repr(load_policy())
    assert shown.startswith("<Policy 'rural_commercial_bank' 2026.1: tiers residual, potential, ")
    assert "dormancy rural_6m_500" in shown
    assert shown.endswith("stockcust policy show NAME_OR_FILE")  # without, it shows the shipped one
    assert len(shown) < 300


def test_only_policies_are_on_offer() -> None:
    """Actions and presets lie beside the policies and are not taken for one."""
    assert shipped_policies() == ("joint_stock_bank", "rural_commercial_bank")
    with pytest.raises(UsageError, match=r"unknown policy 'actions'.* Available: joint_stock_bank"):
        load_policy("actions")


def test_unknown_names_offer_close_ones() -> None:
    """A misspelt policy or dormancy rule is answered with those that exist."""
    with pytest.raises(UsageError, match="Did you mean 'rural_commercial_bank'"):
        load_policy("rural_comercial_bank")
    with pytest.raises(UsageError, match=r"unknown dormancy rule 'cib_2024'\. Did you mean 'cib_2"):
        load_policy().dormancy_rule("cib_2024")


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A path without a file says which file."""
    with pytest.raises(UsageError, match=r"no file mine\.toml"):
        load_policy(tmp_path / "mine.toml")


@pytest.mark.parametrize("content", [b"name = ", "name = '行'".encode("gb18030")])
def test_unreadable_file_is_a_policy_error(tmp_path: Path, content: bytes) -> None:
    """Broken TOML and a file that is not UTF-8 are refused by name."""
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(PolicyError, match=r"broken\.toml is not"):
        load_policy(path)


def test_own_file_equals_the_shipped_one(tmp_path: Path) -> None:
    """The same rules give the same digest, wherever the file lies and however it begins."""
    path = written(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_policy(str(path)).digest == load_policy().digest


def test_digest_ignores_how_a_rule_is_written_and_sees_what_it_says(tmp_path: Path) -> None:
    """Comments, number style and inheritance leave the digest as it is; a border does not."""
    shipped = load_policy().digest
    same = 'name = "rural_commercial_bank"\nversion = "2026.1"\nbase = "rural_commercial_bank"\n'
    change = ("funded = 100\n", "funded = 100.0 # CNY\n")
    assert load_policy(written(tmp_path, change)).digest == shipped
    assert load_policy(own(tmp_path, stated=same)).digest == shipped
    assert load_policy(written(tmp_path, ("lower = 50_000,", "lower = 60_000,"))).digest != shipped


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Unknown keys with close matches, wrong types and missing keys come in one error."""
    path = tmp_path / "broken.toml"
    path.write_text(
        'name = "broken"\nversions = "1"\ncustomer_types = "personal"\nbase = 4\n'
        '[tiers]\nname = 3\ntiers = [{ name = "all", lower = "0", zh = "全", en = "All" }, 5]\n'
        '[dormancy]\nname = "d"\ncap = true\nidle_month = 6\n[families]\nfamilies = []\n'
        "[bases]\nfunded = inf\n",
        "utf-8",
    )
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    told = str(caught.value)
    for line in (
        "broken.toml cannot be followed",
        "versions: unknown key. Did you mean 'version'?",
        "version: missing.",
        "base: expected text, found 4.",
        "customer_types: expected a list, found 'personal'.",
        "tiers.name: expected text, found 3.",
        "tiers.tiers[all].lower: expected a number, found '0'.",
        "tiers.tiers[2]: expected a table, found 5.",
        "dormancy.cap: expected a number, found True.",
        "dormancy.idle_month: unknown key. Did you mean 'idle_months'",
        "bases.funded: expected a number, found inf.",
    ):
        assert line in told


def test_mistakes_are_told_in_chinese(tmp_path: Path) -> None:
    """Every kind of mistake has its Chinese sentence; keys and names stay as the file has them."""
    path = own(
        tmp_path,
        'themes = [{ name = "spring", quarter = 5, zh = "春", en = "S", measures = ["ginni"] }]\n'
        '[dormancy]\npreset = "rural_6m"\n[tiers]\ntiers = [{ name = "mid", lower = 1 }]\n'
        '[tier_memory]\nname = "own"\nlanding = "first"\n'
        "[disclosure]\nsmallest_cell = 1\nmerged_tiers = ['mid']\n"
        "[worklists]\nlongest = 0\ndue_months = 0\n"
        "[families]\naum_products = ['deposits']\n"
        "[[scorecard.indicators]]\nname = 'vip_share'\nweight = 0\nfixed = 1\n",
    )
    with pytest.raises(PolicyError) as caught:
        read_policy(path)
    heading, *told = words_of(caught.value).zh.splitlines()
    assert heading == "own.toml有误："
    for line in (
        "themes[spring]：quarter可取1、2、3、4。",
        "tier_memory.landing：可取last、mean、maximum；写的是'first'。",
        "disclosure：smallest_cell至少为2户。",
        "worklists：longest、due_months至少为1。",
        "scorecard.indicators[vip_share]：权重（weight）须大于0。",
        "scorecard.indicators[vip_share]：只有固定目标才填fixed。",
        "季度主题“spring”：没有指标“ginni”。是否应为“gini”？",
        "disclosure.merged_tiers：须为最高的几层，且不是全部层级：写的是mid，全部为"
        "residual、potential、effective、mid、high、private。"
        "请写merged_tiers = ['mid', 'high', 'private']。",
    ):
        assert f"  - {line}" in told
    assert [line for line in told if ENGLISH.search(line)] == []


def test_a_policy_without_a_base_states_the_three_that_have_no_default(tmp_path: Path) -> None:
    """Tiers, dormancy and families must be there; other rules have defaults."""
    required = """
dormancy = { preset = "crm_6m" }
tiers = { name = "one", tiers = [{ name = "all", lower = 0, zh = "全", en = "All" }] }
families = { families = [] }
"""
    policy = load_policy(own(tmp_path, required, stated='name = "own"\nversion = "7"\n'))
    assert policy.bases.funded == 100
    with pytest.raises(PolicyError) as caught:
        load_policy(own(tmp_path, stated='name = "own"\nversion = "7"\n'))
    assert str(caught.value).splitlines()[1:] == [
        "  - tiers: missing.",
        "  - dormancy: missing.",
        "  - families: missing.",
        "  - base: missing. A file that states only what differs begins with "
        'base = "rural_commercial_bank".',
    ]


def test_a_misspelt_key_hides_no_other_problem(tmp_path: Path) -> None:
    """It is taken for the key that was meant, and its rule and those around it are checked too."""
    differs = """
[dormancy]
preset = "crm_6m"
name = "own"
capp = -1
[coverage]
contact_months = 0
first_call_day = 0
[scorecard]
indicators = [{ name = "vip_share", weight = 1, floor = 3.0, metod = "z" }]
"""
    with pytest.raises(PolicyError) as caught:
        load_policy(own(tmp_path, differs))
    total = 1 + sum(i.weight for i in load_policy().scorecard.indicators if i.name != "vip_share")
    assert [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]] == [
        "dormancy.capp: unknown key. Did you mean 'cap' or 'cap_per'?",
        "dormancy: the cap cannot be negative.",
        "coverage.first_call_day: unknown key. Did you mean 'first_call_days'?",
        "coverage: contact_months must be at least 1.",
        "scorecard.indicators[vip_share].metod: unknown key. Did you mean 'method'?",
        "scorecard.indicators[vip_share]: the floor must lie below the ceiling, from 0 to 1: "
        "80% is 0.8.",
        f"scorecard: the weights add up to {total:g}, not 100.",
    ]


@pytest.mark.parametrize("misspelt", ["presett", "prest", "presets"])
def test_a_misspelt_preset_is_one_problem(tmp_path: Path, misspelt: str) -> None:
    """It is offered like any other key, though no rule has it once presets are written out."""
    with pytest.raises(PolicyError) as caught:
        load_policy(own(tmp_path, f'[dormancy]\n{misspelt} = "crm_6m"\n'))
    assert str(caught.value).splitlines()[1:] == [
        f"  - dormancy.{misspelt}: unknown key. Did you mean 'preset'?"
    ]


def test_a_key_taken_for_another_is_one_problem(tmp_path: Path) -> None:
    """A period under a misspelt key is no missing period, families without products none either."""
    stated = """
name = "own"
version = "7"
tiers = { name = "one", tiers = [{ name = "all", lower = 0, zh = "全", en = "All" }] }
dormancy = { name = "own", idle_month = 6, exempt = ["loan"] }
families = { families = [{ name = "loan", zh = "贷", en = "Loan", product = ["loan"] }] }
"""
    with pytest.raises(PolicyError) as caught:
        load_policy(own(tmp_path, stated=stated))
    assert [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]] == [
        "dormancy.idle_month: unknown key. Did you mean 'idle_months'?",
        "families.families[loan].product: unknown key. Did you mean 'products'?",
        "families.families[loan].products: missing.",
    ]


@pytest.mark.parametrize(
    ("differs", "problems"),
    [
        ("name = 'm'\ncapp = 3", ["dormancy.capp: unknown key. Did you mean 'cap' or 'cap_per'?"]),
        ('cap = "500"', ["dormancy.cap: expected a number, found '500'."]),
        ("cap = 500", []),
        (
            "name = 'm'\n[themes]\nspring = { quarter = 1 }",
            ["themes: expected a list of tables, [[themes]], found a table."],
        ),
        ("name = 'm'\n[bases]\nfunded = [1]", ["bases.funded: expected a number, found a list."]),
        (
            "name = 'm'\n[tiers]\ntiers = [{ name = 'top', lower = 9e6, zh = '顶', en = 'Top' }]",
            [
                "disclosure.merged_tiers: must be the highest tiers, and not all of them: private "
                "of residual, potential, effective, mid, high, private, top. "
                "Write merged_tiers = ['private', 'top']."
            ],
        ),
    ],
)
def test_one_mistake_is_one_problem(tmp_path: Path, differs: str, problems: list[str]) -> None:
    """Nothing that only follows from it is said, and nothing as the program holds it."""
    path = own(tmp_path, f"[dormancy]\n{differs}\n")
    if not problems:
        assert load_policy(path).dormancy == load_policy().dormancy
        return
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert str(caught.value).splitlines()[1:] == [f"  - {problem}" for problem in problems]


def test_what_presets_name_is_a_product(tmp_path: Path) -> None:
    """A loan is a product that dormancy exempts, whatever the family of that name now holds."""
    differs = '[families]\nfamilies = [{ name = "loan", products = ["credit_card"] }]\n'
    with pytest.raises(PolicyError) as caught:
        load_policy(own(tmp_path, differs))
    assert str(caught.value).splitlines()[1:] == [
        "  - families: products in more than one family: credit_card.",
    ]


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('dormancy]\nname = "x"\nclock = ["transacton"]', "Did you mean 'transaction'?"),
        ('dormancy]\nname = "x"\ncap_per = "acount"', "Did you mean 'account'?"),
        ('tier_memory]\nname = "x"\nlanding = "men"', "Did you mean 'mean'?"),
        ('families]\nfamilies = [{ name = "loan", active_if = ["hold"] }]', "mean 'held'?"),
    ],
)
def test_misspelt_words_are_answered_with_near_ones(tmp_path: Path, table: str, told: str) -> None:
    """What takes one of few words says which of them was meant."""
    with pytest.raises(PolicyError) as caught:
        load_policy(own(tmp_path, f"[{table}\n"))
    assert told in str(caught.value)


def test_impossible_rule_is_told_with_its_place(tmp_path: Path) -> None:
    """A rule that breaks itself is told together with where it stands."""
    path = own(tmp_path, 'tiers = { name = "t", tiers = [{ name = "mid", lower = 9 }] }')
    with pytest.raises(PolicyError, match="tiers: borders must rise"):
        load_policy(path)


def test_own_file_states_only_what_differs(tmp_path: Path) -> None:
    """A changed key is changed, and every other rule is the base's."""
    policy, base = load_policy(own(tmp_path, "[bases]\neffective = 20_000\n")), load_policy()
    assert (policy.name, policy.version, policy.base) == ("own", "7", "rural_commercial_bank")
    assert (policy.bases.funded, policy.bases.effective) == (100, 20_000)
    assert (policy.tiers, policy.dormancy, policy.families) == (
        base.tiers,
        base.dormancy,
        base.families,
    )


def test_own_file_states_its_own_name_and_version(tmp_path: Path) -> None:
    """Other rules under the base's name or version would be a lie in the report."""
    with pytest.raises(PolicyError, match=r"(?s)name: missing.*version: missing"):
        load_policy(own(tmp_path, stated='base = "rural_commercial_bank"\n'))


def test_lists_replace_and_named_tables_merge(tmp_path: Path) -> None:
    """A list of texts is replaced; entries with a name change, come, and go one by one."""
    differs = """
customer_types = ["corporate"]
[tiers]
tiers = [
    { name = "residual", remove = true },
    { name = "potential", lower = 0 },
    { name = "mid", en = "Middle" },
    { name = "upper_mid", lower = 200_000, zh = "中高端", en = "Upper mid" },
]
"""
    policy = load_policy(own(tmp_path, differs))
    assert policy.customer_types == ("corporate",)
    assert [(tier.name, tier.lower, tier.en) for tier in policy.tiers.tiers] == [
        ("potential", 0, "Potential"),
        ("effective", 10_000, "Effective"),
        ("mid", 50_000, "Middle"),
        ("upper_mid", 200_000, "Upper mid"),
        ("high", 500_000, "High"),
        ("private", 6_000_000, "Private"),
    ]


def test_a_new_entry_written_first_stands_last(tmp_path: Path) -> None:
    """Without an entry before it a new one goes to the end; after a removed one, in its place."""
    differs = """
[families]
families = [{ name = "gold", zh = "黄金", en = "Gold", products = ["metal"] },
            { name = "bond_metal", remove = true },
            { name = "bond", zh = "债券", en = "Bond", products = ["bond"] }]
"""
    names = load_policy(own(tmp_path, differs)).families.names
    assert names[-1] == "gold"
    assert names[3:6] == ("insurance", "bond", "loan")


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ('{ name = "midd", remove = true }', "cannot remove 'midd'. Did you mean 'mid'"),
        ('{ name = "mid", lower = 1, remove = true }', "'mid'. Write only remove = true."),
        ('{ name = "mid", remove = false }', "'mid'. Write only remove = true."),
        ('{ name = "mid" }, { name = "mid" }', "tiers.tiers: 'mid' is stated twice."),
        ("{ lower = 4 }", "tiers.tiers[1].name: missing."),
    ],
)
def test_entries_that_cannot_be_merged(tmp_path: Path, entries: str, told: str) -> None:
    """Removing what is not there, half a removal, and an entry stated twice or unnamed are told."""
    with pytest.raises(PolicyError) as caught:
        load_policy(own(tmp_path, f"[tiers]\ntiers = [{entries}]\n"))
    assert told in str(caught.value)


def test_an_empty_list_replaces_too(tmp_path: Path) -> None:
    """No channels at all is a rule like any other."""
    assert load_policy(own(tmp_path, "[families]\nchannels = []\n")).families.channels == ()


def test_choosing_a_preset(tmp_path: Path) -> None:
    """Another preset replaces the base's rule as a whole, changes of the base included."""
    changed = '[dormancy]\npreset = "crm_6m"\nname = "crm_300"\ncap = 300\n'
    province = own(tmp_path, changed, name="province.toml")
    assert load_policy(province).dormancy.cap == 300
    stated = STATED.replace("rural_commercial_bank", "province.toml")
    policy = load_policy(own(tmp_path, '[dormancy]\npreset = "nfra_2023"\n', stated=stated))
    assert policy.dormancy == load_policy().dormancy_rule("nfra_2023")


def test_changing_a_preset_needs_a_name(tmp_path: Path) -> None:
    """A changed rule may not go by the preset's name; with its own it keeps the rest."""
    changed = "[dormancy]\nidle_days = 100\n"
    with pytest.raises(PolicyError, match=r"differs from preset 'rural_6m_500'\. Give it a name"):
        load_policy(own(tmp_path, changed))
    rule = load_policy(own(tmp_path, changed + 'name = "hundred_days"\n')).dormancy
    assert (rule.name, rule.idle_days, rule.idle_months, rule.cap) == (
        "hundred_days",
        100,
        None,
        500,
    )
    assert rule.exempt == load_policy().dormancy.exempt


def test_a_preset_of_ones_own(tmp_path: Path) -> None:
    """A bank may add presets; they are found by name beside the shipped ones, and can be chosen."""
    differs = """
dormancy = { preset = "nine" }
[[dormancy_presets]]
name = "nine"
idle_months = 9
"""
    policy = load_policy(own(tmp_path, differs))
    assert policy.dormancy.idle_months == 9
    assert policy.dormancy_rule("cib_2025").idle_days == 365


def test_unknown_preset_offers_close_names(tmp_path: Path) -> None:
    """A misspelt preset is answered with those that exist."""
    with pytest.raises(PolicyError, match=r"dormancy\.preset: unknown preset 'crm_6'.*'crm_6m'"):
        load_policy(own(tmp_path, '[dormancy]\npreset = "crm_6"\n'))


def test_a_base_may_be_a_file_beside(tmp_path: Path) -> None:
    """A bank builds on its province's file, and that on a shipped policy."""
    own(tmp_path, "[bases]\nfunded = 200\neffective = 30_000\n", name="province.toml")
    stated = STATED.replace("rural_commercial_bank", "province.toml")
    bases = load_policy(own(tmp_path, "[bases]\nfunded = 300\n", stated=stated)).bases
    assert (bases.funded, bases.effective) == (300, 30_000)


def test_a_base_of_the_same_name_is_no_circle(tmp_path: Path) -> None:
    """A bank's file may be called like the shipped policy it builds on."""
    path = own(tmp_path, name="rural_commercial_bank.toml")
    assert load_policy(path).tiers == load_policy().tiers


def test_policies_that_build_on_each_other_are_refused(tmp_path: Path) -> None:
    """A circle of bases is told with all its files."""
    own(tmp_path, stated=STATED.replace("rural_commercial_bank", "own.toml"), name="b.toml")
    path = own(tmp_path, stated=STATED.replace("rural_commercial_bank", "b.toml"))
    with pytest.raises(PolicyError, match=r"each other: own\.toml → b\.toml → own\.toml\.$"):
        load_policy(path)


def test_a_base_that_is_not_there(tmp_path: Path) -> None:
    """A misspelt base is answered like a misspelt policy."""
    stated = STATED.replace("rural_commercial_bank", "joint_stock_bnk")
    with pytest.raises(UsageError, match="Did you mean 'joint_stock_bank'"):
        load_policy(own(tmp_path, stated=stated))


def test_names_that_are_not_there_are_refused_when_the_file_is_read(tmp_path: Path) -> None:
    """Renamed tiers and families that other rules still point to, and a wrong column: one error."""
    differs = """
[tiers]
value = "aum_averge_quarter"
tiers = [{ name = "private", remove = true }, { name = "mid", remove = true },
         { name = "gold", lower = 60_000, zh = "金", en = "Gold" },
         { name = "NEW", lower = 9_000_000, zh = "新", en = "New" }]
[families]
families = [{ name = "fund", remove = true }]
[tier_memory]
preset = "three_months"
[disclosure]
merged_tiers = ["effective", "privat"]
[dormancy]
name = "own"
value = "loan_balance"
exempt = ["bond_metal", "loan"]
[worklists]
next_products = ["deposit", "fund"]
[scorecard]
indicators = [{ name = "multi_product_share", member = "whealth" }]
"""
    with pytest.raises(PolicyError) as caught:
        load_policy(own(tmp_path, differs))
    columns = "aum_period_end, aum_average_month, aum_average_quarter"
    assert {line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]} >= {
        "coverage.profile_targets.tier: there is no tier 'mid'.",
        "coverage.profile_targets.tier: there is no tier 'private'.",
        "tier_memory.exceptions.tier: there is no tier 'private'.",
        "disclosure.merged_tiers: there is no tier 'privat'.",
        "disclosure.merged_tiers: must be the highest tiers, and not all of them: effective of "
        "residual, potential, effective, gold, NEW, high. Write merged_tiers = "
        "['effective', 'gold', 'NEW', 'high'].",
        "worklists.next_products: there is no family 'fund'.",
        "scorecard.indicators.member: there is no member 'whealth'. Did you mean 'wealth'?",
        f"tiers.value: takes {columns}; found 'aum_averge_quarter'. "
        "Did you mean 'aum_average_quarter' or 'aum_average_month'?",
        f"dormancy.value: takes {columns}; found 'loan_balance'.",
        "dormancy.exempt: 'bond_metal' is a family. Name its products.",
        "tiers.tiers[NEW]: the name is taken. Give the tier another one.",
    }


def test_what_only_a_default_names_is_no_fault(tmp_path: Path) -> None:
    """A policy without a base has its own tiers, and need not state rules for those of others."""
    stated = """
name = "own"
version = "7"
dormancy = { preset = "crm_6m" }
families = { families = [] }
[tiers]
name = "two"
tiers = [{ name = "small", lower = 0, zh = "小", en = "Small" },
         { name = "large", lower = 100, zh = "大", en = "Large" }]
"""
    assert load_policy(own(tmp_path, stated=stated)).tiers.names == ("small", "large")


def test_a_memory_is_in_force_only_where_it_is_stated(tmp_path: Path) -> None:
    """The shipped policies know no memory; a bank that names a preset gets it."""
    assert [load_policy(name).tier_memory for name in shipped_policies()] == [None, None]
    memory = load_policy(own(tmp_path, '[tier_memory]\npreset = "cbhb"\n')).tier_memory
    assert memory is not None
    assert (memory.name, memory.months_of("private"), memory.lag_months) == ("cbhb", 6, 1)


def test_a_file_that_cannot_be_read_is_one_error(tmp_path: Path) -> None:
    """A folder in place of a file, and brackets without end."""
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    with pytest.raises(UsageError, match=r"the file folder.toml cannot be read"):
        load_policy(folder)
    with pytest.raises(PolicyError, match="not valid TOML"):
        load_policy(own(tmp_path, "a = " + "[" * 3000 + "]" * 3000))


def test_an_unknown_preset_is_one_problem(tmp_path: Path) -> None:
    """What the preset would have stated is not missed, too."""
    with pytest.raises(PolicyError) as caught:
        load_policy(own(tmp_path, '[dormancy]\npreset = "crm_7m"\n'))
    (problem,) = str(caught.value).splitlines()[1:]
    assert problem.startswith("  - dormancy.preset: unknown preset 'crm_7m'. Did you mean 'crm_6m'")
