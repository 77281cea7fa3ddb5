import CalibrationCore
import Testing

/// A made-up model whose quality and cost are known at every rung, noise included.
private struct MadeUpModel {
  var slope: Double
  var offset: Double
  var noise: [Double]

  func measure(_ rung: Int) -> RungMeasurement {
    let psnr = offset + slope * Double(rung) + noise[rung % noise.count]
    let density = min(1, 0.9 * pow2(-Double(rung) / 6))
    let key = CaseKey(clip: "a.mp4", edit: 0, seed: 0)
    return RungMeasurement(
      rung: rung,
      cases: [
        CaseMeasurement(
          key: key, psnr: psnr, error: pow2(-psnr / 6), executedDensity: density, stepSeconds: 0.1 + density)
      ], complete: true)
  }

  private func pow2(_ x: Double) -> Double {
    var result = 1.0
    var left = x
    while left <= -1 {
      result /= 2
      left += 1
    }
    while left >= 1 {
      result *= 2
      left -= 1
    }
    return result * (1 + 0.6931 * left + 0.2402 * left * left)
  }
}

@Suite struct ScaleSearchTests {
  private static func run(_ model: MadeUpModel, _ search: ScaleSearch, start: Int) -> (Int?, [RungMeasurement]) {
    var measured: [RungMeasurement] = []
    for _ in 0..<100 {
      switch search.next(measured, start: start) {
      case .measure(let rung):
        #expect(rung >= 0 && rung < search.rungs)
        #expect(!measured.contains { $0.rung == rung })
        measured.append(model.measure(rung))
      case .done(let rung): return (rung, measured)
      }
    }
    Issue.record("the search did not end")
    return (nil, measured)
  }

  @Test(arguments: [0, 12, 24, 40, 48])
  func findsTheCoarsestRungThatKeepsTheTargetWhereQualityIsMonotone(start: Int) {
    for slope in [-0.4, -0.8, -1.3, -2.5] {
      let model = MadeUpModel(slope: slope, offset: 55, noise: [0])
      let search = ScaleSearch(target: .psnr(35), rungs: 49, budget: 60, exactStepSeconds: 1)
      let (found, measured) = Self.run(model, search, start: start)
      let truth = (0..<49).last { model.measure($0).worstPSNR >= 35 }
      #expect(found == truth, "slope \(slope)")
      #expect(measured.count <= 12, "slope \(slope): \(measured.count) measurements")
    }
  }

  @Test func whatItReturnsWasMeasuredAndHolds() {
    let model = MadeUpModel(slope: -0.9, offset: 50, noise: [0, 1.5, -2, 0.7, -0.3, 2.2, -1.1])
    for budget in 1...12 {
      let search = ScaleSearch(target: .psnr(35), rungs: 49, budget: budget, exactStepSeconds: 1)
      let (found, measured) = Self.run(model, search, start: 30)
      #expect(measured.count <= budget)
      if let found { #expect(measured.contains { $0.rung == found && $0.worstPSNR >= 35 }) }
    }
  }

  @Test func saysSoWhenNoRungKeepsTheTarget() {
    let model = MadeUpModel(slope: -1, offset: 20, noise: [0])
    let search = ScaleSearch(target: .psnr(60), rungs: 49, budget: 60, exactStepSeconds: 1)
    #expect(Self.run(model, search, start: 20).0 == nil)
  }

  @Test func findsTheFinestRungThatMeetsACost() {
    let model = MadeUpModel(slope: -1, offset: 60, noise: [0])
    let density = ScaleSearch(target: .density(0.1), rungs: 49, budget: 60, exactStepSeconds: 1)
    #expect(Self.run(model, density, start: 5).0 == (0..<49).first { model.measure($0).meanDensity <= 0.1 })
    let speed = ScaleSearch(target: .speedup(4), rungs: 49, budget: 60, exactStepSeconds: 1.1)
    #expect(Self.run(model, speed, start: 45).0 == (0..<49).first { 1.1 / model.measure($0).stepSeconds >= 4 })
  }
}
