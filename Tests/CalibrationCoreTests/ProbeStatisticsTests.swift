import CalibrationCore
import Testing

@Suite struct ProbeStatisticsTests {
  static func statistics(_ error: [Double], density: [Double]) -> ProbeStatistics {
    var head = HeadStatistics(candidates: error.count)
    head.add(squaredError: error.map { $0 * $0 }, squaredNorm: 1, density: density)
    return ProbeStatistics(rungs: Array(0..<error.count).map { $0 * 4 }, sites: ["a": [[head]]])
  }

  @Test func mergingIsAddition() throws {
    var a = Self.statistics([0.1, 0.3], density: [0.5, 0.1])
    try a.merge(Self.statistics([0.3, 0.5], density: [0.7, 0.3]))
    let densities = a.predictedDensity()
    let errors = a.pooledError()
    #expect(abs(densities[0] - 0.6) < 1e-12 && abs(densities[1] - 0.2) < 1e-12)
    #expect(abs(errors[0] - ((0.01 + 0.09) / 2).squareRoot()) < 1e-12)
  }

  @Test func refusesOtherThresholds() {
    var a = Self.statistics([0.1, 0.3], density: [0.5, 0.1])
    let b = Self.statistics([0.1, 0.3, 0.4], density: [0.5, 0.1, 0.05])
    #expect(throws: CalibrationError.self) { try a.merge(b) }
  }

  @Test func aSearchForADensityStartsWhereTheProbeSawIt() {
    let s = Self.statistics([0.001, 0.01, 0.1, 0.5], density: [0.6, 0.3, 0.09, 0.01])
    #expect(s.start(for: .density(0.1), exactStepSeconds: 1) == 8)
    #expect(s.start(for: .psnr(200), exactStepSeconds: 1) == 0)
    #expect(s.start(for: .psnr(1), exactStepSeconds: 1) == 12)
  }
}
