// Runs the signatures of a SavedModel as TF Serving's CPU path ends up doing: LoadSavedModel with
// the tag "serve", then Session::Run.
//
//     run_saved_model VERSION CASES [LIBRARY_OF_OPS …]
//
// CASES is a file of TFRecords. Each case is a record with the signature's name, and then one
// NamedTensorProto for every input ("in:NAME") and every output that Python has computed
// ("out:NAME"). Prints a line for each case; exits with 1 if an output differs.

#include <cmath>
#include <cstring>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/lib/io/record_reader.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/protobuf/named_tensor.pb.h"
#include "tensorflow/core/public/session_options.h"

namespace tf = tensorflow;

// Sums in another order round otherwise; log-probabilities here are of the order of 1 to 100.
constexpr float kTolerance = 1e-4f;

struct Case {
  std::string signature;
  std::vector<std::pair<std::string, tf::Tensor>> inputs, outputs;
};

void Check(const absl::Status& status, const std::string& what) {
  if (!status.ok()) {
    std::cerr << what << ": " << status.ToString() << std::endl;
    std::exit(1);
  }
}

void Fail(const std::string& what) {
  std::cerr << what << std::endl;
  std::exit(1);
}

std::vector<Case> ReadCases(const std::string& path) {
  std::unique_ptr<tf::RandomAccessFile> file;
  Check(tf::Env::Default()->NewRandomAccessFile(path, &file), path);
  tf::io::RecordReader reader(file.get());
  std::vector<Case> cases;
  tf::uint64 offset = 0;
  tf::tstring record;
  while (reader.ReadRecord(&offset, &record).ok()) {
    tf::NamedTensorProto named;
    if (record.size() && record[0] != '\n') {  // a message begins with its field 1
      cases.push_back({std::string(record)});
      continue;
    }
    tf::Tensor tensor;
    if (cases.empty() || !named.ParseFromString(std::string(record)) ||
        !tensor.FromProto(named.tensor()))
      Fail("a record of " + path + " is none");
    const bool is_input = named.name().rfind("in:", 0) == 0;
    auto& tensors = is_input ? cases.back().inputs : cases.back().outputs;
    tensors.emplace_back(named.name().substr(named.name().find(':') + 1), tensor);
  }
  return cases;
}

bool Near(float a, float b) {
  return a == b || (std::isnan(a) && std::isnan(b)) ||
         std::abs(a - b) <= kTolerance * (1.0f + std::abs(b));
}

// The largest difference; -1 if what must be equal is not.
float Difference(const tf::Tensor& found, const tf::Tensor& wanted) {
  if (found.dtype() != wanted.dtype() || found.shape() != wanted.shape()) return -1;
  if (found.dtype() == tf::DT_STRING) {
    for (int64_t i = 0; i < found.NumElements(); ++i)
      if (found.flat<tf::tstring>()(i) != wanted.flat<tf::tstring>()(i)) return -1;
    return 0;
  }
  if (found.dtype() == tf::DT_FLOAT) {
    float most = 0;
    for (int64_t i = 0; i < found.NumElements(); ++i) {
      const float a = found.flat<float>()(i), b = wanted.flat<float>()(i);
      if (!Near(a, b)) return -1;
      if (std::isfinite(a)) most = std::max(most, std::abs(a - b));
    }
    return most;
  }
  return found.tensor_data() == wanted.tensor_data() ? 0 : -1;
}

int main(int argc, char** argv) {
  if (argc < 3) Fail("usage: run_saved_model VERSION CASES [LIBRARY_OF_OPS …]");
  for (int i = 3; i < argc; ++i) {
    void* handle;
    Check(tf::Env::Default()->LoadDynamicLibrary(argv[i], &handle), argv[i]);
  }
  tf::SavedModelBundle bundle;
  Check(tf::LoadSavedModel(tf::SessionOptions(), tf::RunOptions(), argv[1],
                           {"serve"}, &bundle), argv[1]);
  bool same = true;
  for (const Case& one : ReadCases(argv[2])) {
    const auto& signatures = bundle.GetSignatures();
    const auto signature = signatures.find(one.signature);
    if (signature == signatures.end()) Fail("no signature " + one.signature);
    std::vector<std::pair<std::string, tf::Tensor>> inputs;
    for (const auto& [name, tensor] : one.inputs)
      inputs.emplace_back(signature->second.inputs().at(name).name(), tensor);
    std::vector<std::string> names;
    for (const auto& [name, tensor] : one.outputs)
      names.push_back(signature->second.outputs().at(name).name());
    std::vector<tf::Tensor> found;
    Check(bundle.GetSession()->Run(inputs, names, {}, &found), one.signature);
    for (size_t i = 0; i < found.size(); ++i) {
      const float difference = Difference(found[i], one.outputs[i].second);
      same = same && difference >= 0;
      std::cout << one.signature << " " << one.outputs[i].first << " "
                << (difference < 0 ? "differs" : "equal") << " " << difference << std::endl;
    }
  }
  return same ? 0 : 1;
}
