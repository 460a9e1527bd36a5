"""The same erasure in a gallery that many machines share."""

from __future__ import annotations

import pytest
from site_of_tests import SIZE, case_record, crop_of
from store_servers import running_postgres

from reidr.service.records.opening import open_records
from reidr.service.security.erasure.erasing import erase
from reidr.service.security.erasure.receipts import Erasure, receipts
from reidr.service.security.verification import verify
from reidr.service.store.opening import open_store
from reidr.service.store.records import CropFilter

pytestmark = pytest.mark.whole


def test_a_person_is_erased_from_postgres_with_their_case() -> None:
    with running_postgres() as server:
        address = f"{server}{'&' if '?' in server else '?'}gallery=street"
        store, records = open_store(address), open_records(address)
        store.set_model("f" * 64, "tiny", SIZE)
        store.add([crop_of(number) for number in range(12)])
        case_record(records, "about", tracks=["t003"], same=["t002"], found=["t002"])
        receipt = erase(store, records, Erasure(CropFilter(tracks=frozenset({"t002"})), "Ines"))
        assert receipt.counts["crops"] == 3
        assert receipt.counts["cases"] == 1
        assert any("write-ahead log" in sentence for sentence in receipt.not_reached)
        assert sorted({crop.track for crop in store.crops()}) == ["t000", "t001", "t003"]
        assert receipts(open_records(address)) == [receipt]
        assert verify(records).broken is None
        store.close()
        records.close()
