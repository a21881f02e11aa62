-- Sends every study with a CT to Osteon when it has come whole; results, which are no CT, stay where they are.
function OnStableSeries(seriesId, tags, metadata)
  if tags["Modality"] == "CT" and metadata["RemoteAET"] ~= "OSTEON" then
    SendToModality(seriesId, "osteon")
  end
end
