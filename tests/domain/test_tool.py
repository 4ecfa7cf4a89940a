from realcoze.domain.tool import EMULATED, are_emulated


def test_the_id_of_a_call_says_whether_a_turn_waits_for_it() -> None:
    assert are_emulated([f"{EMULATED}1", f"{EMULATED}2"])
    assert not are_emulated(["call_1"])
    assert not are_emulated([])
