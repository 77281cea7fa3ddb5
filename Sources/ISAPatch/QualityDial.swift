import CalibrationCore
import Foundation

/// The operating points of a calibrated model and what each was measured to keep; carried in the model's metadata.
public struct QualityDial: Codable, Equatable, Sendable {
  public static let metadataKey = "isa.qualities"

  public struct Position: Codable, Equatable, Sendable {
    public var point: Int
    /// Worst PSNR in dB over the calibration cases; absent for exact attention.
    public var worstPSNR: Double?
    public var executedDensity: Double

    private enum CodingKeys: String, CodingKey {
      case point
      case worstPSNR = "worst_psnr"
      case executedDensity = "executed_density"
    }

    public init(point: Int, worstPSNR: Double?, executedDensity: Double) {
      self.point = point
      self.worstPSNR = worstPSNR
      self.executedDensity = executedDensity
    }
  }

  /// Point 0 first: what calibration was asked for.
  public var positions: [Position]

  public init(positions: [Position]) { self.positions = positions }

  public init(_ profile: Profile) {
    positions = profile.qualities.map {
      Position(point: $0.point, worstPSNR: $0.worstPSNR, executedDensity: $0.executedDensity)
    }
  }

  package init?(metadata: [String: String]) {
    guard let text = metadata[QualityDial.metadataKey],
      let dial = try? JSONDecoder().decode(QualityDial.self, from: Data(text.utf8)), !dial.positions.isEmpty
    else { return nil }
    self = dial
  }

  /// For the model's metadata.
  package var text: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
  }

  /// The operating point of a quality: the cheapest position that keeps it, exact attention where none does.
  public func point(_ quality: Quality) -> Int {
    let exact = positions.first { $0.worstPSNR == nil }?.point ?? 0
    switch quality {
    case .target: return 0
    case .exact: return exact
    case .decibels(let least):
      return positions.filter { ($0.worstPSNR ?? .infinity) >= least }
        .min { $0.executedDensity < $1.executedDensity }?.point ?? exact
    }
  }
}
