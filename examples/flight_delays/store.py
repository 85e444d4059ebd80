"""What the pipelines share: the feature groups and views of the flight delay system.

Each pipeline calls these functions; `feature_group` and `feature_view` get or create, so the
definitions stand here once and whoever runs first creates them."""

from __future__ import annotations

import tercet as tc


def flights(project: tc.Project) -> tc.FeatureGroup:
    return project.feature_group(
        "flights", version=1, primary_key=["carrier", "flight", "origin"],
        event_time="scheduled_departure",
        description="Scheduled flights, and whether they arrived late once that is known")


def arrivals(project: tc.Project) -> tc.FeatureGroup:
    return project.feature_group(
        "arrivals", version=1, primary_key=["carrier", "flight", "origin", "scheduled_departure"],
        event_time="known_at", description="Arrival delays, dated when they became known")


def carrier_delays(project: tc.Project) -> tc.FeatureGroup:
    return project.feature_group(
        "carrier_delays", version=1, primary_key=["carrier"], event_time="known_at", ttl="2d",
        online=True, description="Arrival delays of a carrier over the last 24 hours")


def route_delays(project: tc.Project) -> tc.FeatureGroup:
    return project.feature_group(
        "route_delays", version=1, primary_key=["origin", "dest"], event_time="known_at",
        ttl="2d", online=True, description="Arrival delays of a route over the last 24 hours")


def weather(project: tc.Project, version: int) -> tc.FeatureGroup:
    return project.feature_group(
        "weather", version=version, primary_key=["origin"], event_time="time_hour", ttl="3h",
        online=True, description="Hourly weather at the origin airport")


def planes(project: tc.Project) -> tc.FeatureGroup:
    return project.feature_group("planes", version=1, primary_key=["tailnum"], online=True,
                                 description="Planes by tail number")


def delay_view(project: tc.Project, version: int) -> tc.FeatureView:
    """The contract of the delay model: version 1, and version 2 with more features."""
    schedule = flights(project).select("carrier", "origin", "distance", "departure_hour",
                                       "day_of_week", "late")
    if version == 1:
        query = (schedule
                 .join(weather(project, 1).select("temp", "wind_speed", "precip", "visib"),
                       on="origin", prefix="origin_")
                 .join(planes(project).select("built", "seats"), on="tailnum", prefix="plane_")
                 .join(carrier_delays(project).select("mean_delay_24h", "late_share_24h"),
                       on="carrier", prefix="carrier_"))
    else:
        query = (schedule
                 .join(weather(project, 2).select("temp", "dew_point", "wind_gust", "pressure",
                                                  "visib", "precip_6h"),
                       on="origin", prefix="origin_")
                 .join(planes(project).select("built", "seats", "engines"), on="tailnum",
                       prefix="plane_")
                 .join(carrier_delays(project).select("mean_delay_24h", "late_share_24h",
                                                      "arrivals_24h"),
                       on="carrier", prefix="carrier_")
                 .join(route_delays(project).select("mean_delay_24h", "late_share_24h"),
                       on=["origin", "dest"], prefix="route_"))
    return project.feature_view(
        "delay", version=version, query=query, labels=["late"], helper_columns=["plane_built"],
        on_demand={"plane_age": "year(event_time) - planes.built"},
        transformations=[tc.one_hot_encoder("carrier", "origin")],
        description="Will a flight arrive 15 minutes late or more?")


def predictions(project: tc.Project) -> tc.FeatureGroup:
    return project.feature_group(
        "delay_predictions", version=1, primary_key=["carrier", "flight", "origin"],
        event_time="event_time", description="Predicted probability of a late arrival")
