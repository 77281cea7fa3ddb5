/// Why a calibration, or what it wrote, cannot be used.
public enum CalibrationError: Error, Equatable, Sendable {
  case profileOfAnotherModel(profile: String, model: String)
  case profileSiteMissing(String)
  case profileDoesNotFit(site: String, reason: String)
  case malformed(file: String, reason: String)
  case unsupportedSchema(file: String, found: String)
  /// A document of ours, and of another kind.
  case otherDocument(file: String, found: String, wanted: String, hint: String)
  case statisticsDoNotFit(String)

  public var message: String {
    switch self {
    case .profileOfAnotherModel(let profile, let model):
      "The profile belongs to a model with SHA-256 \(profile.prefix(12))…, but this one has \(model.prefix(12))…; "
        + "calibrate this model, or patch the one that the profile names."
    case .profileSiteMissing(let site):
      "The profile names site \(site), which this model does not have; calibrate this model."
    case .profileDoesNotFit(let site, let reason): "The profile does not fit site \(site): \(reason); calibrate again."
    case .malformed(let file, let reason): "\(file) is not what it should be: \(reason)."
    case .unsupportedSchema(let file, let found):
      "\(file) has schema \(found), which this version does not read; write it anew with this version."
    case .otherDocument(let file, let found, let wanted, let hint):
      "\(file) holds \(found), not \(wanted)" + (hint.isEmpty ? "." : "; \(hint).")
    case .statisticsDoNotFit(let reason): "The statistics cannot be merged: \(reason); collect them with one recipe."
    }
  }
}
