from xml.etree import ElementTree

import pytest

from nodes import middleware

SPACE = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"


def numbers(path, tag):
    return [int(element.text) for element in ElementTree.parse(path).iter(SPACE + tag)]


@pytest.mark.parametrize("network", [False, True])
def test_profile_holds_a_whole_cloud_in_shared_memory(network):
    path = middleware.profile_file(network)
    assert numbers(path, "maxMessageSize")[0] >= 4 * 2**20
    assert numbers(path, "segment_size")[0] >= numbers(path, "maxMessageSize")[0]


def test_local_profile_speaks_to_this_machine_only():
    addresses = [e.text for e in ElementTree.parse(middleware.profile_file()).iter(SPACE + "address")]
    assert addresses == ["127.0.0.1"]
    assert not list(ElementTree.parse(middleware.profile_file(network=True)).iter(SPACE + "address"))


def test_environment_leaves_what_the_user_has_set():
    base = {"FASTRTPS_DEFAULT_PROFILES_FILE": "/mine.xml", "OMP_NUM_THREADS": "4"}
    chosen = middleware.environment(base=base)
    assert not set(base) & set(chosen)
    assert chosen["MALLOC_MMAP_THRESHOLD_"] == "33554432"


def test_domain_of_the_command_line_wins():
    assert middleware.environment(domain=7, base={"ROS_DOMAIN_ID": "3"})["ROS_DOMAIN_ID"] == "7"
    assert "ROS_DOMAIN_ID" not in middleware.environment(base={})
