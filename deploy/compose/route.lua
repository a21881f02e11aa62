-- Sends every CT series to Osteon once it is complete; results are not CT and are not sent.
function OnStableSeries(seriesId, tags, metadata)
  if tags["Modality"] == "CT" and metadata["RemoteAET"] ~= "OSTEON" then
    -- SendToModality accepts instances only. Asynchronous, because Orthanc waits for this function
    RestApiPost("/modalities/osteon/store", '{"Resources": ["' .. seriesId .. '"], "Asynchronous": true}')
  end
end
