import math

from pipeline.report.benchmark import LABELS
from pipeline.report.literature import MAX_APART, published


def test_rows_are_whole() -> None:
    table = published()
    assert len(table) > 200
    assert not table.duplicated(["model", "variant", "dataset", "protocol", "source"]).any()
    assert set(table["dataset"]) <= set(LABELS)
    assert set(table["protocol"]) == {"trained", "fine_tuned"}
    assert table["srcc"].between(0.25, 0.95).all()
    assert (table["plcc"].isna() | table["plcc"].between(0.25, 0.95)).all()
    assert (table["source"] != "").all()


def test_replicated_is_what_the_rows_say() -> None:
    table = published()
    for (_, _, _), group in table.groupby(["model", "dataset", "protocol"]):
        for row in group.itertuples():
            # image only and with SlowFast are two models of one name
            others = group[(group["variant"] != row.variant) & (group["source"] != row.source)]
            near = (others["srcc"] - row.srcc).abs() <= MAX_APART + 1e-9
            assert row.replicated == ("yes" if near.any() else "no"), row


def test_known_numbers() -> None:
    table = published().set_index(["model", "variant", "dataset", "protocol"])
    ours = table.loc[("LMM-VQA", "score and level", "lsvq_1080p", "trained")]
    assert (ours["srcc"], ours["plcc"], ours["replicated"]) == (0.891, 0.899, "no")
    assert "0.74 to 0.824" in ours["doubt"]
    dover = table.loc[("DOVER", "", "live_vqc", "trained")]
    assert (dover["srcc"], dover["plcc"], dover["replicated"]) == (0.817, 0.840, "yes")
    only_srcc = table.loc[("KVQ", "saliency, CVPR 2025", "lsvq", "trained")]
    assert only_srcc["srcc"] == 0.896 and math.isnan(only_srcc["plcc"])
